#pragma once

#include "commands/layer.h"
#include "report/page/page_data.h"
#include "results/comparison.h"
#include "results/stored_runs.h"

#include <cstddef>
#include <string>
#include <vector>

namespace peftbench::commands {

struct AnswerLimits {
  std::size_t rows = 30;           // of one table: those with the best scores
  std::size_t examples_each = 6;   // that a pair of rows answers differently
  std::size_t examples_all = 200;  // of one table
};

// What the rows of each table answer differently: of each row its first finished seed that the table's first row has
// too, else its own first. `notes` gets the rows that are left out, and why. Means of benchmarks have no predictions.
std::vector<TableAnswers> table_answers(const std::vector<ComparisonRow>& rows, const StoredRuns& stored,
                                        const AnswerLimits& limits, std::vector<std::string>& notes);

// Places of the examples that tell most pairs apart, of answers by row and example: first one for each pair that
// differs anywhere, then more, up to `each` for a pair and `all` together.
std::vector<std::size_t> telling_examples(const std::vector<std::vector<std::string>>& answers, std::size_t each,
                                          std::size_t all);

}  // namespace peftbench::commands
