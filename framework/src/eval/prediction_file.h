#pragma once

#include "core/files.h"
#include "eval/metrics.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace peftbench {

// A prediction as a line of predictions.jsonl has it; docs/results-schema.md says what the fields are.
nlohmann::ordered_json to_json(const Prediction& prediction);

// Predictions of a file of such lines, ours or another program's: `prediction` and `target` are enough where they are
// label words or free text. What stands in no line is found: `label` and `target_label` among `labels` (no words: the
// file's numbers alone). Throws DataError with file and line.
std::vector<Prediction> read_predictions(const fs::path& file, const std::vector<std::string>& labels);

// Throws DataError where a prediction lacks what a metric needs. `file` and lines are for the message.
void check_scorable(const std::vector<Prediction>& predictions, const std::vector<std::string>& metrics,
                    const fs::path& file);

}  // namespace peftbench
