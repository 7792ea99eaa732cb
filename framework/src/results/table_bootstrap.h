#pragma once

#include "results/bootstrap.h"
#include "results/layer.h"

#include <cstddef>
#include <string>
#include <vector>

namespace peftbench::results {

// A row of a table for the bootstrap. A score that is a mean of units has their values, and costs a product of matrices
// in all draws; any other is computed anew in each.
struct BootstrapRow {
  std::string name;  // its seeds are drawn by it: the draws of a row do not depend on which others there are
  std::size_t seeds = 0;
  std::vector<std::vector<double>> values = {};  // by seed and unit
  SeedScore score = {};                          // where there are no values: by how often each example was drawn
};

// Hierarchical bootstrap of a table: each draw takes as many units as there are, the same for all rows, and for each
// row as many of its seeds as it has, with replacement; seeds of different rows have nothing in common. Result: of each
// row its mean over the drawn seeds, by draw. `design.seeds` does not count. Draw k uses the random streams "bootstrap
// of tables", k, and "bootstrap of the seeds of NAME", k. Empty without units or draws.
std::vector<std::vector<double>> bootstrap_scores(const BootstrapDesign& design, const std::vector<BootstrapRow>& rows);

}  // namespace peftbench::results
