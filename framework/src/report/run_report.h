#pragma once

#include "results/run_record.h"

#include <string>

namespace peftbench {

// What a run's end prints: the score beside the majority label's, losses, counts, costs. `folder` is the run's.
std::string describe_run(const RunRecord& record, const std::string& folder, std::size_t width = 0);

// The counts of a ledger for a reader.
std::string describe_ledger(const Json& ledger, std::int64_t backbone_parameters, std::size_t width = 0);

}  // namespace peftbench
