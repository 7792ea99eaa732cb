#pragma once

#include "results/run_record.h"
#include "run/layer.h"
#include "run/workbench.h"

namespace peftbench::run {

// What a record says of a run before anything is trained: program, machine, method, task, backbone, identity. The time
// of the start stays where there is one.
void describe_run(const Workbench& bench, RunRecord& record);

// What it says of the task that is trained on or scored.
void describe_task(const TaskData& task, RunRecord& record);

}  // namespace peftbench::run
