#pragma once

#include "data/task.h"

#include <string>

namespace peftbench {

// Where a file of a task's source lies: beside its YAML, else in the task's folder under `data_root`. Throws a
// DataError that says where it looked and how to get the data.
fs::path find_source(const TaskConfig& config, const std::string& file, const fs::path& data_root);

}  // namespace peftbench
