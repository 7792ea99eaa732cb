#pragma once

#include "commands/evaluate_run.h"
#include "commands/layer.h"
#include "config/paths.h"
#include "core/progress.h"
#include "results/result_store.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::commands {

struct EnsembleRequest {
  Paths paths;
  std::vector<RunFolder> runs;  // in the order of their votes
  Asked asked;
  std::int64_t examples = 0;  // 0: all
  std::optional<fs::path> predictions;
};

struct EnsembleMember {
  std::string run, method;
  std::uint64_t seed = 0;
  std::vector<MetricRecord> metrics;
  std::optional<double> illegal_rate;
};

// One metric of the members and of their vote.
struct EnsembleMetric {
  std::string name;
  double average = 0, best = 0;
  std::string best_run;
  MetricRecord vote;
};

struct EnsembleOutcome {
  std::string task, backbone, split;
  std::int64_t examples = 0;
  std::vector<EnsembleMember> members;
  std::vector<EnsembleMetric> metrics;
  std::optional<double> illegal_rate;  // of the votes
  double mean_entropy = 0;             // of an example's votes, bits
  double unanimous = 0;                // rate of examples on which all agree
  double seconds = 0;                  // of the forward passes and the vote
  double load_seconds = 0;             // backbone, data, adapters
  std::vector<std::string> warnings;
};

// Asks all runs the same questions, in one forward pass for each batch, and lets them vote. The runs' folders are not
// changed. Throws ConfigError if the runs are of different backbones or tasks, or are evaluated differently.
EnsembleOutcome ensemble_runs(const EnsembleRequest& request, ProgressSink& progress);

}  // namespace peftbench::commands
