#pragma once

#include "adapters/layer.h"
#include "data/task/task.h"

#include <string>

namespace peftbench::adapters {

// Says how many of the rows of `scored` that are scored on this split are, by the texts of their fields, among those
// that `trained` trains or selects on. Empty: none.
std::string seen_rows(const TaskData& trained, const TaskData& scored, const std::string& split);

}  // namespace peftbench::adapters
