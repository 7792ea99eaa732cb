#pragma once

#include "core/clock.h"
#include "core/files.h"
#include "core/layer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::core {

// Energy of the machine's processor packages, as Linux counts it (powercap, RAPL): all that runs on them, not this
// process alone. Memory outside the packages, disks and graphics cards are not in it.
class EnergyMeter {
 public:
  // `folder` holds a folder `intel-rapl:N` for each package, also on AMD's processors.
  explicit EnergyMeter(fs::path folder = "/sys/class/powercap");

  void restart();  // counts from 0, and looks again which counters can be read
  // Joules since the last restart. Nothing where the machine has no such counter or one cannot be read, or where so
  // much time has passed since the last call that a counter may have started anew more than once.
  std::optional<double> joules();

 private:
  struct Package {
    fs::path counter;
    std::uint64_t last = 0, range = 0;  // µJ; the counter starts anew after `range`
  };

  fs::path folder_;
  std::vector<Package> packages_;
  bool known_ = false;
  double joules_ = 0;
  Stopwatch since_read_;
};

}  // namespace peftbench::core
