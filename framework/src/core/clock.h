#pragma once

#include <cstdint>

namespace peftbench {

// Wall and processor time since its making. CPU seconds count all threads of the process.
class Stopwatch {
 public:
  Stopwatch();
  double wall_seconds() const;
  double cpu_seconds() const;

 private:
  double wall_, cpu_;
};

// Peak resident bytes of the process since the last reset (where the kernel allows one; else since its start).
std::int64_t peak_memory_bytes();
bool reset_peak_memory();

}  // namespace peftbench
