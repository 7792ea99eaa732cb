#pragma once

#include "commands/layer.h"
#include "commands/scored_parts.h"
#include "core/files.h"
#include "eval/metrics.h"

#include <string>
#include <utility>
#include <vector>

namespace peftbench::commands {

// One configuration on one task and backbone: a run, or the finished runs of a row over its seeds.
struct SideRow {
  std::string task, backbone;
  std::vector<std::vector<ScoredPart>> runs;  // by seed; the parts of each
};

struct Side {
  std::string name;
  std::vector<SideRow> rows;
};

// What a user calls one side: a run (its folder or id), or the label of rows of the table that `report` prints of the
// folder `runs`, else of a suite that was run into it. `warnings` gets the runs of a row that are left out. Throws
// DataError if there is neither.
Side find_side(const std::string& name, const fs::path& runs, std::vector<std::string>& warnings);

// Runs of both sides on one task, paired by seed; two single runs are a pair whatever their seeds.
using PairedParts = std::vector<std::pair<ScoredPart, ScoredPart>>;

// The tasks that both sides were scored on; `warnings` gets what only one side has. Throws DataError for another task,
// data, split or other metrics, and where nothing pairs.
std::vector<PairedParts> pair_parts(const Side& a, const Side& b, std::vector<std::string>& warnings);

// The answers of two runs: the same examples in the same order.
struct AnswerPair {
  std::vector<Prediction> a, b;
};

// In the order of `parts`. All runs have answered the same examples: throws DataError with the first that has no pair.
std::vector<AnswerPair> read_answers(const PairedParts& parts);

}  // namespace peftbench::commands
