#pragma once

#include "core/layer.h"

#include <cstdint>

namespace peftbench::core {

// Wall and CPU time since construction. CPU seconds count all threads of the process.
class Stopwatch {
 public:
  Stopwatch();
  double wall_seconds() const;
  double cpu_seconds() const;

 private:
  double wall_, cpu_;
};

// Peak resident bytes of the process since the last reset (or since its start, if the kernel does not support it).
std::int64_t peak_memory_bytes();
bool reset_peak_memory();

}  // namespace peftbench::core
