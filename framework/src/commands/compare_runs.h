#pragma once

#include "commands/layer.h"
#include "core/files.h"
#include "core/progress.h"
#include "results/run_record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::commands {

struct CompareRequest {
  std::string a, b;        // runs or labels of rows: find_side in commands/paired_answers.h
  fs::path out;            // the folder of the runs
  std::uint64_t seed = 0;  // random seed of the draws
};

// A metric of both sides on the same examples; docs/statistics.md defines the numbers.
struct ComparedMetric {
  std::string name;
  std::int64_t n = 0;                                        // examples, or groups where they count once
  double a = 0, b = 0, difference = 0;                       // means over seeds; a − b
  std::optional<Interval> a_interval, b_interval, interval;  // 95 %
  std::string test;                                          // "n too small" where no test can tell
  std::optional<double> p, adjusted_p;  // adjusted by Holm's method for all tests of the comparison
  std::optional<double> p_seeds;        // of several: a permutation of the seeds, which are paired there
  std::int64_t only_a = 0, only_b = 0;  // that only this side has right, over all seeds
};

struct ComparedTask {
  std::string task, backbone_a, backbone_b, split;
  std::int64_t examples = 0;
  std::vector<std::string> runs_a, runs_b;  // pairs, by seed
  std::vector<std::uint64_t> seeds_a, seeds_b;
  std::vector<ComparedMetric> metrics;
};

// The first metrics of several tasks.
struct OverTasks {
  std::int64_t tasks = 0;
  double difference = 0;  // mean
  std::string test;
  std::optional<double> p;
};

struct RunComparison {
  std::vector<ComparedTask> tasks;
  std::optional<OverTasks> over_tasks;  // of two or more
  std::vector<std::string> warnings;
};

// Compares what two runs, or two rows over their seeds, have answered to the same examples. Reads records and
// predictions alone. Throws DataError for runs that cannot be compared.
RunComparison compare_runs(const CompareRequest& request, ProgressSink& progress);

}  // namespace peftbench::commands
