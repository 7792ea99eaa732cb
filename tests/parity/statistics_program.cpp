// The statistics of framework/src/results for test_statistics.py: a list of cases as JSON on standard input, their
// results as a list on standard output; null is absent.
#include "results/bootstrap.h"
#include "results/crossed_test.h"
#include "results/holm.h"
#include "results/jackknife.h"
#include "results/mcnemar.h"
#include "results/permutation.h"
#include "results/table_bootstrap.h"
#include "results/table_tests.h"
#include "results/wilcoxon.h"
#include "support/layers.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <iostream>
#include <utility>

namespace peftbench::statistics_program {

using namespace layers;

namespace {

using nlohmann::json;
using Numbers = std::vector<double>;
using Scores = std::vector<Numbers>;  // of each example, by seed

json or_null(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

double weighted_mean(const Numbers& scores, const Numbers& weights) {
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    sum += weights[i] * scores[i];
    count += weights[i];
  }
  return count > 0 ? sum / count : 0;
}

json bootstrap(const json& test) {
  const auto a = test.at("a").get<Scores>(), b = test.at("b").get<Scores>();
  BootstrapDesign design;
  design.unit_of = test.at("unit_of").get<std::vector<std::size_t>>();
  design.units = test.at("units").get<std::size_t>();
  design.seeds = a.size();
  design.seed = test.at("seed").get<std::uint64_t>();
  design.draws = test.at("draws").get<std::int64_t>();
  const auto of = [](const Scores& side) {
    return [&side](std::size_t seed, const Numbers& weights) { return weighted_mean(side[seed], weights); };
  };
  const auto intervals = paired_bootstrap(design, of(a), of(b));
  if (!intervals) return nullptr;
  const auto pair = [](const Interval& interval) { return json::array({interval.low, interval.high}); };
  return json::array({pair(intervals->a), pair(intervals->b), pair(intervals->difference)});
}

// Of the difference of two means over examples, which are exchanged by units.
json permutation(const json& test) {
  const auto a = test.at("a").get<Numbers>(), b = test.at("b").get<Numbers>();
  const auto difference = [&](const std::vector<char>& exchanged) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += exchanged[i] ? b[i] - a[i] : a[i] - b[i];
    return sum / static_cast<double>(a.size());
  };
  return or_null(permutation_test(a.size(), test.at("seed").get<std::uint64_t>(), difference));
}

json crossed(const json& test) {
  const CrossedRow a = crossed_row(test.at("a").get<Scores>()), b = crossed_row(test.at("b").get<Scores>());
  const auto found = crossed_test(a, b);
  if (!found) return nullptr;
  return {{"difference", found->difference},
          {"seed_part", found->seed_part},
          {"unit_part", found->unit_part},
          {"seed_degrees", found->seed_degrees},
          {"residuals", {a.residual, b.residual}},
          {"seed_variances", {a.seed_variance, b.seed_variance}},
          {"p", or_null(found->p)}};
}

// Of every row its interval, and of every pair that of the difference.
json table_bootstrap(const json& test) {
  BootstrapDesign design;
  design.units = test.at("units").get<std::size_t>();
  design.unit_of = test.at("unit_of").get<std::vector<std::size_t>>();
  design.seed = test.at("seed").get<std::uint64_t>();
  design.draws = test.at("draws").get<std::int64_t>();
  std::vector<BootstrapRow> rows;
  for (const json& row : test.at("rows")) {
    const auto scores = row.at("scores").get<Scores>();
    rows.push_back({row.at("name").get<std::string>(), scores.size(), {}, {}});
    if (row.at("by_weights").get<bool>())
      rows.back().score = [scores](std::size_t seed, const Numbers& weights) {
        return weighted_mean(scores[seed], weights);
      };
    else
      rows.back().values = scores;
  }
  const auto drawn = bootstrap_scores(design, rows);
  json result = json::array();
  const auto add = [&](Numbers values) {
    const Interval interval = percentile_interval(std::move(values));
    result.push_back({interval.low, interval.high});
  };
  for (std::size_t r = 0; r < drawn.size(); ++r) {
    add(drawn[r]);
    for (std::size_t other = 0; other < r; ++other) {
      Numbers differences(drawn[r].size());
      for (std::size_t d = 0; d < differences.size(); ++d) differences[d] = drawn[r][d] - drawn[other][d];
      add(std::move(differences));
    }
  }
  return result;
}

// Of the correlation of the weighted examples: a score that is no mean.
json jackknife(const json& test) {
  const auto x = test.at("x").get<Numbers>(), y = test.at("y").get<Numbers>();
  const auto correlation = [&](const Numbers& weights) {
    double n = 0, sum_x = 0, sum_y = 0, xx = 0, yy = 0, xy = 0;
    for (std::size_t i = 0; i < x.size(); ++i) n += weights[i], sum_x += weights[i] * x[i], sum_y += weights[i] * y[i];
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double dx = x[i] - sum_x / n, dy = y[i] - sum_y / n;
      xx += weights[i] * dx * dx, yy += weights[i] * dy * dy, xy += weights[i] * dx * dy;
    }
    return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
  };
  return jackknife_values(test.at("unit_of").get<std::vector<std::size_t>>(), test.at("units").get<std::size_t>(),
                          correlation);
}

// Pairs with their p and difference: adjusted p, then rank_low, rank_high and tied_with_best of each row.
json ranks(const json& test) {
  const auto scores = test.at("scores").get<Numbers>();
  std::vector<PairTest> pairs;
  for (const json& p : test.at("pairs")) {
    PairTest pair;
    pair.a = p.at(0).get<std::size_t>();
    pair.b = p.at(1).get<std::size_t>();
    pair.difference = scores.at(pair.a) - scores.at(pair.b);
    if (!p.at(2).is_null()) pair.p = p.at(2).get<double>();
    pairs.push_back(pair);
  }
  adjust_pairs(pairs);
  std::vector<RankedRow> table;
  for (std::size_t r = 0; r < scores.size(); ++r) table.push_back({r, scores[r], 5, 500, {}});
  json result = json::array();
  for (const Standing& row : standings_of(table, pairs))
    result.push_back({row.rank_low, row.rank_high, row.tied_with_best ? 1 : 0});
  return result;
}

json result(const json& test) {
  const auto name = test.at("test").get<std::string>();
  if (name == "mcnemar")
    return or_null(mcnemar_exact(test.at("only_a").get<std::int64_t>(), test.at("only_b").get<std::int64_t>()));
  if (name == "sign_flip")
    return or_null(sign_flip_test(test.at("differences").get<Numbers>(), test.at("seed").get<std::uint64_t>()));
  if (name == "permutation") return permutation(test);
  if (name == "bootstrap") return bootstrap(test);
  if (name == "crossed") return crossed(test);
  if (name == "table_bootstrap") return table_bootstrap(test);
  if (name == "jackknife") return jackknife(test);
  if (name == "ranks") return ranks(test);
  if (name == "wilcoxon") {
    const auto found = wilcoxon_signed_rank(test.at("differences").get<Numbers>());
    return found ? json::array({found->p, found->exact}) : json(nullptr);
  }
  std::vector<std::optional<double>> values;  // holm
  for (const json& value : test.at("values"))
    values.push_back(value.is_null() ? std::nullopt : std::optional(value.get<double>()));
  json adjusted = json::array();
  for (const auto& value : holm_adjusted(values)) adjusted.push_back(or_null(value));
  return adjusted;
}

}  // namespace
}  // namespace peftbench::statistics_program

int main() {
  const auto cases = nlohmann::json::parse(std::cin);
  auto results = nlohmann::json::array();
  for (const auto& test : cases) results.push_back(peftbench::statistics_program::result(test));
  std::cout << results << "\n";
}
