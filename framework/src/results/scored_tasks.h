#pragma once

#include "results/layer.h"
#include "results/run_record.h"

#include <optional>
#include <string>
#include <vector>

namespace peftbench::results {

// A task that a record has scores of.
struct ScoredTask {
  std::string name, hash;
  std::string source;                 // a file of its data; empty for a mixture as a whole
  bool trained = true;                // false: the method was trained on another task
  std::vector<MetricRecord> metrics;  // the first is its score
};

// The run's own, then those of its mixture and its other evaluation tasks.
std::vector<ScoredTask> scored_tasks(const RunRecord& record);

// The data set of the Hugging Face hub whose snapshot a file lies in, as the hub's cache stores it.
struct HubDataset {
  std::string id;        // org/name
  std::string revision;  // commit
  std::string config;    // the folder of the file in the snapshot; "default" if it lies in none
};
std::optional<HubDataset> hub_dataset(const std::string& file);

}  // namespace peftbench::results
