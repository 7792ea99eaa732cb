#pragma once

#include "run/layer.h"
#include "run/resources.h"

#include <string>
#include <vector>

namespace peftbench::run {

// What a run would warn of before its first step: rows left out, rows that are trained on and scored, settings without
// effect. Where the data is not here, that is the warning.
std::vector<std::string> warnings_before(Resources& resources, const RunConfig& config, bool trains);

}  // namespace peftbench::run
