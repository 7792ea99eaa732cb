#include "run/machine.h"

#include "core/numbers.h"
#include "core/processors.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace peftbench {

namespace {

// What a step of training frees, the next one allocates again. glibc's malloc gives large blocks back to the system
// meanwhile, and then each page of them costs a fault and is cleared anew. (M_TRIM_THRESHOLD −1 is never.)
void keep_freed_memory() {
  if (std::getenv("GLIBC_TUNABLES")) return;  // the user's own choice
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, 64 << 20);
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

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const std::size_t colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return {};
}

}  // namespace peftbench
