#pragma once

#include <cstdint>
#include <string>

namespace peftbench {

// Once, before any work: freed memory stays with the process (unless GLIBC_TUNABLES is set), and denormal numbers,
// which are slow, become zero.
void tune_process();

std::int64_t default_threads();  // OMP_NUM_THREADS, else one for each processor that the process may use
void use_threads(std::int64_t threads);

std::string cpu_model();  // "" if unknown

}  // namespace peftbench
