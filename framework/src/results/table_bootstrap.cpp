#include "results/table_bootstrap.h"

#include "core/random.h"

#include <peftbench/error.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace peftbench::results {
namespace {

constexpr std::size_t block = 16;  // draws at once: their sums fit into registers

// The values of one seed that are not 0: of an accuracy those that are right.
struct SparseValues {
  std::vector<std::size_t> at;
  std::vector<double> value;
};

SparseValues sparse(const std::vector<double>& values) {
  SparseValues result;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0) continue;
    result.at.push_back(i * block);
    result.value.push_back(values[i]);
  }
  return result;
}

std::array<double, block> weighted_sums(const SparseValues& values, const std::vector<double>& counts) {
  std::array<double, block> sums{};
  for (std::size_t k = 0; k < values.at.size(); ++k) {
    const double value = values.value[k];
    const double* const count = counts.data() + values.at[k];
    for (std::size_t d = 0; d < block; ++d) sums[d] += value * count[d];
  }
  return sums;
}

// How often each seed of a row is in a draw.
std::vector<double> seed_counts(const BootstrapRow& row, std::uint64_t stream_base, std::uint64_t draw) {
  std::vector<double> counts(row.seeds, 0);
  Random random(stream_seed(stream_base, "bootstrap of the seeds of " + row.name, draw));
  for (std::size_t s = 0; s < row.seeds; ++s) counts[random.below(row.seeds)] += 1;
  return counts;
}

}  // namespace

std::vector<std::vector<double>> bootstrap_scores(const BootstrapDesign& design,
                                                  const std::vector<BootstrapRow>& rows) {
  if (design.units == 0 || design.draws <= 0) return {};
  const auto draws = static_cast<std::size_t>(design.draws);
  std::vector<std::vector<SparseValues>> values(rows.size());
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (const std::vector<double>& of_seed : rows[r].values) {
      if (of_seed.size() != design.units) throw Error("a row of the bootstrap has values of other units");
      values[r].push_back(sparse(of_seed));
    }
  std::vector<std::vector<double>> result(rows.size(), std::vector<double>(draws, 0));
  std::vector<double> counts(design.units * block), weights(design.unit_of.size());
  std::vector<std::array<double, block>> scores;  // by seed
  for (std::size_t first = 0; first < draws; first += block) {
    const std::size_t here = std::min(block, draws - first);
    std::fill(counts.begin(), counts.end(), 0.0);
    for (std::size_t d = 0; d < here; ++d) {
      Random random(stream_seed(design.seed, "bootstrap of tables", first + d));
      for (std::size_t i = 0; i < design.units; ++i) counts[random.below(design.units) * block + d] += 1;
    }
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const BootstrapRow& row = rows[r];
      scores.assign(row.seeds, {});
      for (std::size_t s = 0; s < values[r].size(); ++s) {
        scores[s] = weighted_sums(values[r][s], counts);
        for (double& score : scores[s]) score /= static_cast<double>(design.units);
      }
      for (std::size_t d = 0; d < here; ++d) {
        if (row.values.empty()) {
          for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = counts[design.unit_of[i] * block + d];
          for (std::size_t s = 0; s < row.seeds; ++s) scores[s][d] = row.score(s, weights);
        }
        const std::vector<double> of_seeds = seed_counts(row, design.seed, first + d);
        double sum = 0;
        for (std::size_t s = 0; s < row.seeds; ++s) sum += of_seeds[s] * scores[s][d];
        result[r][first + d] = sum / static_cast<double>(row.seeds);
      }
    }
  }
  return result;
}

}  // namespace peftbench::results
