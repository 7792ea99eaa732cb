#pragma once

#include "commands/layer.h"
#include "config/paths.h"
#include "eval/neighbors.h"

#include <peftbench/values.h>

#include <cstdint>
#include <string>
#include <vector>

namespace peftbench::commands {

// The words nearest to the rows of a trained prompt.
struct NeighborsRequest {
  Paths paths;
  std::string adapter;              // a run's folder or id, or an adapter's folder
  fs::path runs;                    // folder of runs
  std::string backbone;             // empty: the one that the run or the adapter names
  std::string tensor;               // empty: the only one that is a prompt
  std::vector<std::string> labels;  // empty: those of the task that the adapter was trained on
  std::int64_t top = 5;
};

struct NamedNeighbor {
  std::string piece;
  std::int64_t id = 0;
  double cosine = 0;
};

struct NeighborsOutcome {
  std::string method, backbone, tensor;
  std::int64_t words = 0;  // of the vocabulary
  std::vector<std::vector<NamedNeighbor>> rows;
  NeighborStatistics prompt, control;                          // control: as many random vectors
  std::vector<std::pair<std::string, std::int64_t>> frequent;  // pieces by the rows they are near to, most first
  Names notes;                                                 // notes for the user
};

// Compared with the words' vectors under the adapter, which may train their table. Throws ConfigError if the adapter
// has no prompt (a 2-D tensor as wide as the model at an input site), or several and none is chosen; what a stack sees
// of several (a word and its change) goes by the site's name, encoder.input, and is taken first.
NeighborsOutcome find_neighbors(const NeighborsRequest& request);

}  // namespace peftbench::commands
