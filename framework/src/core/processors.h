#pragma once

#include "core/files.h"

#include <cstdint>
#include <optional>

namespace peftbench {

// How many processors this process may keep busy: those that its affinity names, as `nproc` counts them, and no more
// than its control groups give it time for. At least one.
std::int64_t usable_processors();

// Of the time that control groups (v1 and v2) allow this process and everything above it, rounded up to whole
// processors; nothing where there is no limit. `root` is / but in tests.
std::optional<std::int64_t> processors_of_groups(const fs::path& root = "/");

}  // namespace peftbench
