#pragma once

#include "core/files.h"
#include "core/layer.h"

#include <cstdint>
#include <optional>

namespace peftbench::core {

// The number of processors available to this process: those of its affinity, as counted by `nproc`, limited by
// its control groups. At least one.
std::int64_t usable_processors();

// The limit of the control groups (v1 and v2) of this process and their parents, rounded up to whole
// processors; nothing without a limit. `root` is / but in tests.
std::optional<std::int64_t> processors_of_groups(const fs::path& root = "/");

}  // namespace peftbench::core
