#pragma once

#include "results/evaluation.h"
#include "results/layer.h"
#include "results/search_results.h"
#include "results/statistics.h"
#include "results/stored_runs.h"
#include "results/suite_manifest.h"
#include "results/table_tests.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::results {

// One seed of a row.
struct SeedRun {
  std::uint64_t seed = 0;
  std::string id;
  std::string status;   // that of the record; "stopped" if its process died; "missing" if it was never started
  std::string message;  // error message
  std::optional<double> score;
};

// The range of the seeds' values; the two ends are equal if the runs agree.
struct Range {
  std::int64_t low = 0, high = 0;
};

// One metric over the seeds.
struct MetricScore {
  std::string name;
  Summary score;
};

// What the runs of a row reached on one of several tasks: of its mixture, or one that was not trained on.
struct OtherScore {
  std::string task;
  bool trained = false;  // a task of the mixture
  std::string metric, split;
  Summary score;
  std::optional<Range> examples;
  std::optional<double> majority, illegal_rate;  // as the row's own
  std::optional<Interval> interval = {};         // likewise
  std::vector<MetricScore> metrics = {};         // all of the task, in the records' order
};

// The runs of one configuration, which differ only in the seed.
struct ComparisonRow {
  std::string label, method, task, backbone;
  std::vector<SeedRun> runs;  // by seed

  EvaluationSettings evaluation;  // how its runs are scored
  std::vector<std::string>
      otherwise;  // in what that differs from the rest of its table: "eval.mode=rank (else greedy)"

  // Of the finished runs.
  std::string metric, split;
  std::string answers;  // how they came about; differing runs joined by " or "
  std::vector<std::string> warnings;
  Summary score;
  std::optional<Interval> interval;  // 95 %, of a single score alone: that of its record
  std::optional<Range> examples;
  std::optional<double> majority;      // the bar: the same metric for always giving the most frequent label
  std::optional<double> illegal_rate;  // mean
  std::optional<Standing> standing;    // in its table, if it was tested there
  std::vector<GridStanding> in_grids;  // in the columns of grids of several tasks, where it was tested
  std::vector<OtherScore> others;      // in the records' order
  std::optional<double> percent;       // trained, of all
  std::optional<Range> trained, receiving_gradient, stored, inference, after_merge, bytes_stored;
  std::optional<Range> prompt_tokens;             // ids of a text prompt, which are no parameters
  std::optional<double> step_seconds;             // median over seeds of training seconds by steps
  std::optional<std::int64_t> peak_memory_bytes;  // the largest
  std::vector<MetricScore> metrics;               // all of the task, in the records' order
  Summary validation;                             // score on validation at the best step
  std::string chosen_by;  // what chose the step: "accuracy on validation", "last step"; differing runs joined by " or "
  std::optional<Range> steps;                                   // of the optimizer
  std::optional<double> training_seconds;                       // median over seeds
  std::optional<double> training_step_flops, prediction_flops;  // of a batch, of an example; mean
  std::optional<double> training_joules, evaluation_joules;     // mean over the seeds whose machine tells it
  std::optional<double> forgetting;                             // mean rise of the loss, nats per token
  std::vector<std::string> forgetting_on;                       // of which text, each once
  std::optional<double> agreement;                              // of two seeds: commands/agreement.h
  std::vector<std::string> searched;                            // settings that a search chose: "length=20"
  std::optional<SearchResult> search = {};                      // of a row of a suite that searches
};

// Warning of a row whose best steps were chosen on the examples that are scored.
inline constexpr const char* chosen_on_scored =
    "the best step was chosen on the validation split, which is scored too: the score is not one of unseen examples";

// Every configuration of these runs is a row: its label is the method's name, and where a method was run with several
// on one task and backbone, the settings in which they differ. By task, backbone and label. Trials of searches are put
// aside.
std::vector<ComparisonRow> compare(const std::vector<RunRecord>& records);

// The same of all runs of a folder; last a row without a task for each whose record cannot be read.
std::vector<ComparisonRow> compare(const StoredRuns& stored);

// The rows of a suite, in its order. Runs that never came to be are in them too.
std::vector<ComparisonRow> compare(const SuiteManifest& suite, const StoredRuns& stored);

// Gives the rows their standings.
void add_standings(std::vector<ComparisonRow>& rows, const TableTests& tests);

// Seconds of a training step: the phase `train` holds steps alone, evaluations have one of their own.
std::optional<double> step_seconds(const RunRecord& record);

}  // namespace peftbench::results
