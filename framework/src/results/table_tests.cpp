#include "results/table_tests.h"

#include "results/holm.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace peftbench::results {

bool is_too_small(std::int64_t seeds, std::int64_t examples) {
  return seeds < least_tested_seeds && examples < least_tested_examples;
}

void adjust_pairs(std::vector<PairTest>& pairs) {
  std::vector<std::optional<double>> values;
  for (const PairTest& pair : pairs) values.push_back(pair.p);
  const std::vector<std::optional<double>> adjusted = holm_adjusted(values);
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i].adjusted_p = adjusted[i];
}

std::vector<Standing> standings_of(const std::vector<RankedRow>& table, std::span<const PairTest> pairs) {
  std::vector<Standing> standings;
  std::unordered_map<std::size_t, std::size_t> place;  // of a row in the table
  std::size_t best = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    place.emplace(table[i].row, i);
    if (table[i].score > table[best].score) best = i;
    Standing standing;
    standing.row = table[i].row;
    standing.interval = table[i].interval;
    standing.rank_high = static_cast<std::int64_t>(table.size());
    standing.tied_with_best = true;
    standing.too_small = is_too_small(table[i].seeds, table[i].examples);
    standings.push_back(standing);
  }
  if (!standings.empty()) standings[best].best = true;
  for (const PairTest& pair : pairs) {
    const auto a = place.find(pair.a), b = place.find(pair.b);
    if (a == place.end() || b == place.end() || !pair.adjusted_p || *pair.adjusted_p >= significance) continue;
    const auto [better, worse] =
        pair.difference > 0 ? std::pair(a->second, b->second) : std::pair(b->second, a->second);
    --standings[better].rank_high;
    ++standings[worse].rank_low;
    if (better == best) standings[worse].tied_with_best = false;
  }
  return standings;
}

}  // namespace peftbench::results
