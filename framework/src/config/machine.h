#pragma once

#include "config/layer.h"
#include "config/run_config.h"
#include "results/run_record.h"

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

namespace peftbench::config {

// Once, before any work: freed memory stays with the process (unless GLIBC_TUNABLES is set), and denormal numbers,
// which are slow, become zero.
void tune_process();

std::int64_t default_threads();  // OMP_NUM_THREADS, else one for each processor that the process may use
void use_threads(std::int64_t threads);
// The threads, and the device with its arithmetic, that a run's configuration says.
void use_machine(const RunConfig& config);
std::string describe_use(const RunConfig& config);  // on the CPU, 2 threads, no GPU is used

std::string cpu_model();  // "" if unknown

// What a record says of the machine, and of the program as it was built.
RunRecord::Machine describe_machine(std::int64_t threads, c10::Device device);
RunRecord::Program describe_program();

}  // namespace peftbench::config
