#pragma once

#include "eval/layer.h"

#include <peftbench/tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace peftbench::eval {

struct Neighbor {
  std::int64_t id = 0;
  double cosine = 0;
};

// The `top` rows of `table` [V, D] nearest to each of `rows` [P, D] by cosine, nearest first; only the first
// `vocabulary` rows of the table are words. A row of zeros has no direction: its cosines are 0.
std::vector<std::vector<Neighbor>> nearest_words(const Tensor& rows, const Tensor& table, std::int64_t vocabulary,
                                                 std::int64_t top);

// A label word found again among the neighbours.
struct LabelPersistence {
  std::string label;
  std::vector<std::int64_t> ids;  // its sub-tokens
  std::int64_t rows = 0;          // that have all of them among their neighbours
};

// What neighbourhoods say of a prompt as a whole.
struct NeighborStatistics {
  std::vector<LabelPersistence> labels;
  double label_persistence = 0;  // rate of labels with at least one row; 0 without labels
  double duplicates = 0;         // rate of rows whose nearest word is an earlier row's too
  double mean_cosine = 0;        // of the nearest words
};
NeighborStatistics neighbor_statistics(const std::vector<std::vector<Neighbor>>& neighbors,
                                       std::vector<LabelPersistence> labels);

}  // namespace peftbench::eval
