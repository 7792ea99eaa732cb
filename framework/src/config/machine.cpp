#include "config/machine.h"

#include "config/commit.h"
#include "core/numbers.h"
#include "core/processors.h"
#include "devices/choice.h"
#include "devices/driver.h"

#include <fmt/format.h>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <peftbench/abi.h>

#include <malloc.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace peftbench::config {

namespace {

// What a step of training frees, the next one allocates again. glibc's malloc gives large blocks back to the system
// meanwhile, and then each page of them costs a fault and is cleared anew. (M_TRIM_THRESHOLD −1 is never.)
void keep_freed_memory() {
  if (std::getenv("GLIBC_TUNABLES")) return;  // the user's own choice
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, 64 << 20);
}

std::optional<std::int64_t> system_number(int name) {
  const long number = ::sysconf(name);
  return number > 0 ? std::optional<std::int64_t>(number) : std::nullopt;
}

std::string kernel_name() {
  utsname name{};
  if (::uname(&name) != 0) return {};
  return std::string(name.sysname) + " " + name.release + " " + name.machine;
}

std::string compiler_name() {
#if defined(__clang__)
  return "Clang " __clang_version__;
#elif defined(__GNUC__)
  return "GCC " __VERSION__;
#else
  return {};
#endif
}

}  // namespace

void tune_process() {
  keep_freed_memory();
  at::globalContext().setFlushDenormal(true);  // threads that are made from here on inherit it
}

std::int64_t default_threads() {
  const char* wanted = std::getenv("OMP_NUM_THREADS");
  const auto number = parse_number<std::int64_t>(wanted ? std::string_view(wanted) : std::string_view());
  return number && *number > 0 ? *number : usable_processors();
}

void use_threads(std::int64_t threads) { at::set_num_threads(static_cast<int>(threads)); }

void use_machine(const RunConfig& config) {
  use_threads(config.options.train.threads);
  use_arithmetic(config.device, config.options.device.arithmetic);
}

std::string describe_use(const RunConfig& config) {
  const std::int64_t threads = config.options.train.threads;
  const std::string of_cpu = fmt::format("{} thread{}", threads, threads == 1 ? "" : "s");
  if (config.device.is_cpu()) return "on the CPU, " + of_cpu + ", no GPU is used";
  const auto gpu = devices::describe(config.device);
  return "on " + name_of(config.device) + (gpu && !gpu->name.empty() ? ", " + gpu->name : "") + ", with " + of_cpu +
         " of the CPU";
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const std::size_t colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return {};
}

RunRecord::Machine describe_machine(std::int64_t threads, c10::Device device) {
  RunRecord::Machine machine{cpu_model(), static_cast<int>(threads)};
  machine.cores = system_number(_SC_NPROCESSORS_ONLN);
  machine.usable_cores = usable_processors();
  const auto pages = system_number(_SC_PHYS_PAGES), size = system_number(_SC_PAGE_SIZE);
  if (pages && size) machine.memory_bytes = *pages * *size;
  machine.kernel = kernel_name();
  machine.compiler = compiler_name();
  machine.device = name_of(device);
  if (const auto gpu = devices::describe(device)) {
    machine.device_name = gpu->name;
    machine.device_capability = gpu->capability;
    machine.driver = gpu->driver;
    machine.device_memory_bytes = gpu->memory_bytes;
  }
  return machine;
}

RunRecord::Program describe_program() {
  RunRecord::Program program{PEFTBENCH_VERSION, PEFTBENCH_TORCH_VERSION};
  if (const std::string commit = built_commit; !commit.empty()) program.commit = commit;
  if (const std::string tree = built_tree; !tree.empty()) program.clean = tree == "clean";
  return program;
}

}  // namespace peftbench::config
