#pragma once

#include "results/layer.h"
#include "results/run_record.h"

namespace peftbench::results {

// A finished run in the exchange format of the Every Eval Ever project, schema version 0.3.0: one entry for each task
// and metric with a value that is a number. A function of the record alone. Throws DataError if the run has not
// finished or no metric has a value.
Json every_eval_ever(const RunRecord& record);

}  // namespace peftbench::results
