#pragma once

#include "data/layer.h"
#include "data/prepared/storage.h"
#include "data/task/task.h"

namespace peftbench::data {

// load_task of task.h with a say in where the texts lie: in memory where they are few, else in the storage's folder
// (by default .cache/tasks under `data_root`), where the next run finds them. The data are the same either way.
TaskData load_task(const TaskConfig& config, const fs::path& data_root, DataStorage storage);

}  // namespace peftbench::data
