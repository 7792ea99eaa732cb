#pragma once

#include "commands/layer.h"
#include "core/files.h"
#include "eval/prediction_file.h"
#include "results/result_store.h"
#include "results/stored_runs.h"

#include <cstdint>
#include <string>
#include <vector>

namespace peftbench::commands {

// A task that a run was scored on: its own, one of its mixture, or another evaluation task.
struct ScoredPart {
  std::string run, backbone;
  std::uint64_t seed = 0;
  std::string task, hash, answers;
  std::vector<std::string> labels;
  std::vector<MetricRecord> metrics;
  fs::path file;         // its predictions
  std::string lines_of;  // the task whose lines of that file they are; empty: all
};

// The run's own task first. A mixture as a whole has no examples of its own.
std::vector<ScoredPart> scored_parts(const RunFolder& folder, const RunRecord& record);
// The same of a stored run, whose file is read where its label words are not known without.
std::vector<ScoredPart> scored_parts(const StoredRun& run);

// Throws DataError where the two cannot be compared: another task, data, split, metrics or label words.
void check_comparable(const ScoredPart& first, const ScoredPart& other);

// The predictions of a part. Throws DataError where they are not as they were written, or lack what a metric needs.
PredictionFile read_part(const ScoredPart& part);

// The predictions of `other` in the order of `first`. Throws DataError with the first example that only one of them
// has.
std::vector<Prediction> in_order_of(const PredictionFile& first, const PredictionFile& other);

}  // namespace peftbench::commands
