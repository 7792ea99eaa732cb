#include "core/clock.h"

#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <string>

namespace peftbench::core {

namespace {

double wall_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

double cpu_now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

Stopwatch::Stopwatch() : wall_(wall_now()), cpu_(cpu_now()) {}
double Stopwatch::wall_seconds() const { return wall_now() - wall_; }
double Stopwatch::cpu_seconds() const { return cpu_now() - cpu_; }

std::int64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;  // "VmHWM:   1234 kB"
  }
  rusage usage{};  // never falls, but is there without /proc
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

bool reset_peak_memory() {
  std::ofstream references("/proc/self/clear_refs");
  references << "5" << std::flush;  // 5: set the high-water mark to what is resident now
  return references.good();
}

}  // namespace peftbench::core
