#pragma once

#include "commands/layer.h"
#include "commands/suite.h"
#include "results/stored_runs.h"
#include "run/resources.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::commands {

// What difference a table of a suite can detect (results/power.h), whose score is taken for an accuracy.
struct TablePower {
  std::string task, backbone;
  std::int64_t rows = 0, seeds = 0;
  std::optional<std::int64_t> examples;    // that are scored; nothing if it is not known without training
  double seed_deviation = 0;               // of scores over seeds
  bool measured = false;                   // on finished runs of the suite; else assumed
  double at_half = 0, at_nine_tenths = 0;  // the difference, for accuracies around 0.5 and 0.9; NaN without examples
};
struct SuitePower {
  std::vector<TablePower> tables;
  std::int64_t pairs = 0;  // of all tables, over which Holm's adjustment is made
};

// Of tables with two rows or more. Reads records and data; no weights.
SuitePower suite_power(const SuiteRequest& request, const std::vector<SuiteRun>& runs, const StoredRuns& stored,
                       Resources& resources);

}  // namespace peftbench::commands
