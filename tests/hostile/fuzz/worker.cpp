#include "fuzz/worker.h"
#include "support/layers.h"

#include "fuzz/coverage.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <new>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace peftbench::hostile {

using namespace layers;

namespace {

constexpr int untold_status = 77;
constexpr std::size_t shared_bytes = 2 * largest_input + (1 << 20);

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Use {
  double seconds = 0;    // of the processor
  bool waiting = false;  // for something other than the processor
};

Use use_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::size_t name = text.rfind(')');
  if (name == std::string::npos) return {};
  std::istringstream fields(text.substr(name + 2));
  std::string state, skipped;
  fields >> state;
  for (int i = 4; i < 14; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return {(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK)), state != "R"};
}

std::int64_t resident_bytes(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/statm");
  std::int64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

// What makes two reports one: the place in our code, or the message without its numbers.
std::string key_of(const std::string& report, int status) {
  std::istringstream lines(report);
  std::string first, line;
  for (std::string text; std::getline(lines, text);) {
    if (text.starts_with("SUMMARY:") || text.find("runtime error:") != std::string::npos) line = text;
    if (first.empty()) first = text;
  }
  if (line.empty()) line = first.empty() ? "signal or status " + std::to_string(status) : first;
  line = std::regex_replace(line, std::regex("(/[^ :]*/)"), "");
  line = std::regex_replace(line, std::regex("0x[0-9a-f]+|[0-9]{3,}"), "N");
  return line.substr(0, 160);
}

}  // namespace

struct Campaign::Shared {
  std::atomic<std::int64_t> index{-1};  // of the input that runs
  std::atomic<std::int64_t> accepted{0}, refused{0}, done{0};
  std::size_t size = 0;
  char bytes[1];
};

Campaign::Campaign(const Target& target, std::vector<std::string> seeds, std::vector<std::string> failed,
                   std::uint64_t seed)
    : target_(target), kept_(std::move(failed)), seeds_(std::move(seeds)), seed_(seed) {
  kept_.insert(kept_.end(), seeds_.begin(), seeds_.end());
  void* memory = ::mmap(nullptr, shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no shared memory");
  shared_ = new (memory) Shared;
  report_ = ::memfd_create("report", MFD_CLOEXEC);
}

Campaign::~Campaign() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  ::close(report_);
  ::munmap(shared_, shared_bytes);
}

void Campaign::start(std::int64_t mutants, double seconds) {
  limit_ = mutants + static_cast<std::int64_t>(kept_.size());
  seconds_ = seconds;
  begun_ = now();
}

void Campaign::spawn() {
  (void)!::ftruncate(report_, 0);
  ::lseek(report_, 0, SEEK_SET);  // the child writes on from here
  shared_->index = -1;
  child_ = ::fork();
  if (child_ < 0) throw std::runtime_error("cannot fork");
  if (child_ == 0) work();
  base_bytes_ = 0;
  watched_ = -1;
}

void Campaign::work() {
  ::dup2(report_, 2);
  ::dup2(::open("/dev/null", O_WRONLY), 1);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  enter(target_);
  Mutator mutator(target_, seeds_);
  const auto kept = static_cast<std::int64_t>(kept_.size());
  std::string reason;
  // An input that is kept, so that what is made once (plugins, a vocabulary) is no part of the first mutant's time.
  if (next_ > 0 && kept > 0) run_input(target_, kept_.back(), reason);
  for (std::int64_t i = next_; i < limit_; ++i) {
    Random random(stream_seed(seed_, target_.name, static_cast<std::uint64_t>(i)));
    std::string input = i < kept ? kept_[static_cast<std::size_t>(i)] : mutator.next(random);
    shared_->size = std::min(input.size(), 2 * largest_input);
    std::memcpy(shared_->bytes, input.data(), shared_->size);
    shared_->index = i;
    begin_coverage();
    const Ending ending = run_input(target_, {shared_->bytes, shared_->size}, reason);
    const std::size_t fresh = end_coverage();
    if (ending == Ending::untold) {
      (void)!::write(2, reason.data(), reason.size());
      ::_exit(untold_status);
    }
    if (ending == Ending::refused && limit_ == 1) (void)!::write(2, reason.data(), reason.size());  // run_alone
    if (fresh > 0 && i >= kept) mutator.add(std::move(input));
    ++(ending == Ending::accepted ? shared_->accepted : shared_->refused);
    shared_->done = i + 1;
  }
  ::_exit(0);
}

void Campaign::take_counts() {
  counts_.accepted = shared_->accepted;
  counts_.refused = shared_->refused;
  counts_.mutants = counts_.accepted + counts_.refused + counts_.faults();
  counts_.seconds = now() - begun_;
}

std::string Campaign::report() const {
  std::string text(static_cast<std::size_t>(std::min<off_t>(::lseek(report_, 0, SEEK_END), 65536)), '\0');
  (void)!::pread(report_, text.data(), text.size(), 0);
  return text;
}

Finding Campaign::finding(int status) const {
  Finding result;
  result.input.assign(shared_->bytes, shared_->size);
  result.report = report();
  result.key = key_of(result.report, status);
  const bool untold = WIFEXITED(status) && WEXITSTATUS(status) == untold_status;
  const bool memory = result.report.find("allocation-size-too-big") != std::string::npos ||
                      result.report.find("out-of-memory") != std::string::npos;
  result.ending = untold ? Ending::untold : memory ? Ending::memory : Ending::crash;
  return result;
}

bool Campaign::poll(const std::function<void(const Finding&)>& found) {
  if (child_ < 0) spawn();
  const auto fault = [&](Finding what) {
    ++(what.ending == Ending::untold   ? counts_.untold
       : what.ending == Ending::hang   ? counts_.hangs
       : what.ending == Ending::memory ? counts_.memory
                                       : counts_.crashes);
    next_ = std::max<std::int64_t>(shared_->index, next_) + 1;
    child_ = -1;
    found(what);
    take_counts();
    return next_ < limit_ && now() - begun_ < seconds_;
  };
  int status = 0;
  if (::waitpid(child_, &status, WNOHANG) == child_) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      child_ = -1;
      take_counts();
      return false;
    }
    return fault(finding(status));
  }
  const std::int64_t index = shared_->index;
  const std::int64_t resident = resident_bytes(child_);
  if (index < 0 || base_bytes_ == 0) base_bytes_ = resident;
  if (index != watched_) {
    watched_ = index;
    watched_cpu_ = use_of(child_).seconds;
    watched_wall_ = now();
  }
  // By the processor's time, so that a busy machine makes no hang; what waits for something uses none.
  const Use use = use_of(child_);
  const bool hangs = index >= 0 && (use.seconds - watched_cpu_ > longest_seconds ||
                                    (use.waiting && now() - watched_wall_ > 6 * longest_seconds));
  const bool eats = index >= 0 && resident - base_bytes_ > most_bytes;
  if (hangs || eats) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, &status, 0);
    Finding what = finding(status);
    what.ending = hangs ? Ending::hang : Ending::memory;
    what.key = hangs ? "more than 5 s" : "more than 1 GB";
    return fault(std::move(what));
  }
  if (now() - begun_ > seconds_) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, &status, 0);
    child_ = -1;
    take_counts();
    return false;
  }
  return true;
}

Finding run_alone(const Target& target, const std::string& input) {
  Campaign campaign(target, {}, {input}, 0);
  campaign.start(0, 1e9);
  Finding result{Ending::accepted, {}, {}, input};
  while (campaign.poll([&](const Finding& found) { result = found; })) ::usleep(500);
  if (result.key.empty() && campaign.counts().refused > 0) result = {Ending::refused, {}, campaign.report(), input};
  return result;
}

}  // namespace peftbench::hostile
