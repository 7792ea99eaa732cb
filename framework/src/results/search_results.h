#pragma once

#include "results/layer.h"
#include "results/stored_runs.h"
#include "results/suite_manifest.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::results {

// One trial of a search: a run that was trained with values of the search's space and scored on validation examples.
struct SearchTrial {
  std::string run;               // its id
  std::string status;            // as SeedRun::status
  Json values = Json::object();  // by setting: those that the search chose
  std::optional<double> score;   // on validation
  std::int64_t number = 0;       // from 1; trial 1 has the values that the row has without a search
  std::int64_t rung = 0;         // of successive halving: the last one that the trial came to
  std::string message = {};      // of a failure
};

// The search of one row of a suite on one task and backbone.
struct SearchResult {
  std::string row, method, task, backbone, metric;
  std::vector<SearchTrial> trials;    // in the order of the search
  std::optional<std::size_t> chosen;  // place of the trial with the best score, once all are settled
  std::vector<double>
      expected_best;               // after k = 1 … n trials with a score; empty with halving: scores of unequal steps
  std::vector<std::string> edges;  // settings whose chosen value is at an end of its space: "train.learning_rate=0.1"
  Json space = Json::object();     // by setting, as SuiteSearch has it
  std::int64_t planned = 0;        // number of trials
  std::int64_t halving = 0;        // as SuiteSearch has it
};

// The values of the chosen trial: "length=20".
std::vector<std::string> chosen_values(const SearchResult& search);

// The searches of a suite, in the order of its rows.
std::vector<SearchResult> search_results(const SuiteManifest& suite, const StoredRuns& stored);

// Whether it is a run of a search, which tables put aside; how many of a folder are.
bool is_trial(const RunRecord& record);
std::size_t count_trials(const StoredRuns& stored);

// Its score on validation examples; nothing if it has not finished, or was scored on other examples.
std::optional<double> trial_score(const RunRecord& record);
// It has finished, or its training diverged: it would do the same again. What else has failed or was stopped is tried
// again.
bool is_settled(const RunRecord& record);
// Place of the highest score, the first of equals; nothing if there is none.
std::optional<std::size_t> best_score(const std::vector<std::optional<double>>& scores);

// Settings whose value is outside of its space, or within 5 % of its width (of its logarithm) of an end; of more than
// two choices that are numbers, the smallest and the largest.
std::vector<std::string> edges_of(const Json& space, const Json& values);

// The expected maximum of k scores drawn with replacement from these, for k = 1 … n.
std::vector<double> expected_best(std::vector<double> scores);

}  // namespace peftbench::results
