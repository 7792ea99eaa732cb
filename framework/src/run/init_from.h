#pragma once

#include "run/layer.h"
#include "run/workbench.h"

#include <functional>
#include <string>

namespace peftbench::run {

// Where training begins (run option init_from): an adapter's folder (ours or another program's), a run's folder, whose
// checkpoint has the sources of derived values too, or a .safetensors with the names of the plan's training tensors.

// Hash of the file that would be read. Throws CheckpointError if there is none.
std::string hash_of_start(const fs::path& path);

// Gives a fresh plan those values. Throws CheckpointError if they do not fit, where a derived value is there without
// its sources, where a head's classes are others, and where a buffer is not what the configuration says: nothing would
// train it; DataError where check_start (adapters/made_from.h) refuses what they were made from. `contexts` give the first
// values that the plan would have without a start. The checks are the same for each form of a start, as far as it says
// what it is.
void begin_from(const fs::path& path, const Workbench& bench, const Resources& resources, CompiledPlan& plan,
                const CompiledPlan::ContextFactory& contexts, const std::function<void(std::string)>& warn);

}  // namespace peftbench::run
