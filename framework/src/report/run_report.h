#pragma once

#include "report/layer.h"
#include "report/text_sheet.h"
#include "results/run_record.h"

#include <string>
#include <vector>

namespace peftbench::report {

// The printed results of a run: the score with the baseline, losses, counts, costs. `folder` is the run's.
std::string describe_run(const RunRecord& record, const std::string& folder, std::size_t width = 0);

// The scores of a mixture's tasks, and of tasks that were not trained on.
void add_task_scores(TextSheet& sheet, const std::vector<TaskScore>& tasks);

// The counts of a ledger as text.
std::string describe_ledger(const Json& ledger, std::int64_t backbone_parameters, std::size_t width = 0);

// What the best constant answer reaches: "0.533 for always answering 'negative'". `majority_label` is for records that
// name no answer. `metric` has a majority.
std::string constant_text(const MetricRecord& metric, const std::string& majority_label);

}  // namespace peftbench::report
