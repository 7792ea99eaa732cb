#pragma once

#include "fuzz/mutator.h"
#include "fuzz/outcome.h"
#include "support/layers.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace peftbench::hostile {

using namespace layers;

struct Finding {
  Ending ending = Ending::crash;
  std::string key;     // equal for findings of one cause, as far as their reports tell
  std::string report;  // of the sanitizer, or the message
  std::string input;
};

struct Counts {
  std::int64_t mutants = 0, accepted = 0, refused = 0, untold = 0, crashes = 0, hangs = 0, memory = 0;
  double seconds = 0;
  std::int64_t faults() const { return untold + crashes + hangs + memory; }
};

// Runs inputs of a target in a process of its own, which a fault ends and the next input starts again: whatever an
// input does, the one after it is run. Inputs are numbered: first those that are kept (seeds, and what failed once), as
// they are, then mutants.
class Campaign {
 public:
  Campaign(const Target& target, std::vector<std::string> seeds, std::vector<std::string> failed, std::uint64_t seed);
  ~Campaign();
  Campaign(const Campaign&) = delete;
  Campaign& operator=(const Campaign&) = delete;

  // Until so many mutants, or so many seconds, have passed; `found` is told of each fault.
  void start(std::int64_t mutants, double seconds);
  bool poll(const std::function<void(const Finding&)>& found);  // true as long as there is more to do
  const Counts& counts() const { return counts_; }
  std::string report() const;  // what the last process said
  const Target& target() const { return target_; }

 private:
  struct Shared;
  void spawn();
  [[noreturn]] void work();
  Finding finding(int status) const;
  void take_counts();

  const Target& target_;
  std::vector<std::string> kept_, seeds_;
  std::uint64_t seed_;
  std::int64_t limit_ = 0;
  double seconds_ = 0, begun_ = 0;
  Shared* shared_;
  int report_ = -1;  // the child's standard error
  pid_t child_ = -1;
  std::int64_t next_ = 0;  // number of the first input that is not done
  std::int64_t base_bytes_ = 0;
  std::int64_t watched_ = -1;  // input that runs, and the processor's time when it was first seen
  double watched_cpu_ = 0, watched_wall_ = 0;
  Counts counts_;
};

// One input in a process of its own.
Finding run_alone(const Target& target, const std::string& input);

}  // namespace peftbench::hostile
