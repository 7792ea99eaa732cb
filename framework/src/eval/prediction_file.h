#pragma once

#include "core/files.h"
#include "eval/layer.h"
#include "eval/metrics.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::eval {

// A line of predictions.jsonl; docs/results-schema.md describes the fields.
nlohmann::ordered_json to_json(const Prediction& prediction);

// Which example a line answers, as far as it says so: its place in the split, and file:line of the data.
struct ExamplePlace {
  std::optional<std::int64_t> index;
  std::string origin;
};

struct PredictionFile {
  fs::path file;
  std::vector<Prediction> predictions;
  std::vector<std::int64_t> lines;   // line number of each
  std::vector<ExamplePlace> places = {};  // of each
};

// Predictions of a file of such lines, ours or another program's: `prediction` and `target` are enough where they are
// label words or free text. What stands in no line is found: `label` and `target_label` among `labels` (no words: the
// file's numbers alone). With a `task`, the lines that name it, as a mixture's do. Throws DataError with file and line.
PredictionFile read_predictions(const fs::path& file, const std::vector<std::string>& labels,
                                const std::string& task = {});

// Throws DataError with the line if a prediction lacks a field that a metric needs.
void check_scorable(const PredictionFile& file, const std::vector<std::string>& metrics);

}  // namespace peftbench::eval
