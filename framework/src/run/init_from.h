#pragma once

#include "run/workbench.h"

#include <functional>
#include <string>

namespace peftbench {

// Where training begins (run option init_from): an adapter's folder (ours or another program's), a run's folder, whose
// checkpoint has the sources of derived values too, or a .safetensors with the names of the plan's training tensors.

// Hash of the file that would be read. Throws CheckpointError where there is none.
std::string hash_of_start(const fs::path& path);

// Gives a fresh plan those values. Throws CheckpointError where they do not fit, or where a derived value is there
// without its sources.
void begin_from(const fs::path& path, const Workbench& bench, const PluginFinder& finder, CompiledPlan& plan,
                const std::function<void(std::string)>& warn);

}  // namespace peftbench
