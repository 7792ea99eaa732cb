#pragma once

#include "results/layer.h"
#include "results/stored_runs.h"
#include "results/suite_manifest.h"

#include <cstddef>
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
};

// The search of one row of a suite on one task and backbone.
struct SearchResult {
  std::string row, method, task, backbone, metric;
  std::vector<SearchTrial> trials;    // in the order of the search
  std::optional<std::size_t> chosen;  // place of the trial with the best score
  std::vector<double> expected_best;  // after k = 1 … n trials: Dodge et al. 2019, equation 2
  std::vector<std::string> edges;  // settings whose chosen value is at an end of its space: "train.learning_rate=0.1"
};

// The searches of a suite, in the order of its rows.
std::vector<SearchResult> search_results(const SuiteManifest& suite, const StoredRuns& stored);

// The expected maximum of k scores drawn with replacement from these, for k = 1 … n.
std::vector<double> expected_best(std::vector<double> scores);

}  // namespace peftbench::results
