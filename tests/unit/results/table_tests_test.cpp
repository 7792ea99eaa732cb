#include "results/table_tests.h"
#include "results/table_bootstrap.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace peftbench::table_tests_test {

using namespace layers;

namespace {

PairTest pair_of(std::size_t a, std::size_t b, double difference, std::optional<double> p) {
  PairTest pair;
  pair.a = a;
  pair.b = b;
  pair.difference = difference;
  pair.p = p;
  return pair;
}

TEST(TableTests, HolmIsOverAllPairs) {
  std::vector<PairTest> pairs = {pair_of(0, 1, 0.1, 0.01), pair_of(0, 2, 0.1, std::nullopt), pair_of(3, 4, 0.1, 0.02),
                                 pair_of(3, 5, 0.1, 0.5)};
  adjust_pairs(pairs);
  EXPECT_DOUBLE_EQ(*pairs[0].adjusted_p, 0.03);
  EXPECT_FALSE(pairs[1].adjusted_p);
  EXPECT_DOUBLE_EQ(*pairs[2].adjusted_p, 0.04);
  EXPECT_DOUBLE_EQ(*pairs[3].adjusted_p, 0.5);
}

TEST(TableTests, RanksAreIntervals) {
  // 10 and 11 are alike, both better than 12; 13 is like 11 and 12.
  const std::vector<RankedRow> table = {{10, 0.9, 5, 500}, {11, 0.85, 5, 500}, {12, 0.7, 5, 500}, {13, 0.8, 5, 500}};
  std::vector<PairTest> pairs = {pair_of(10, 11, 0.05, 0.3),  pair_of(10, 12, 0.2, 1e-4), pair_of(10, 13, 0.1, 1e-3),
                                 pair_of(11, 12, 0.15, 1e-3), pair_of(11, 13, 0.05, 0.2), pair_of(12, 13, -0.1, 0.04),
                                 pair_of(0, 10, 0.5, 1e-9)};  // of another table
  adjust_pairs(pairs);
  const std::vector<Standing> standings = standings_of(table, pairs);
  ASSERT_EQ(standings.size(), 4u);
  const auto expect = [&](std::size_t i, std::size_t row, std::int64_t low, std::int64_t high, bool tied) {
    EXPECT_EQ(standings[i].row, row);
    EXPECT_EQ(standings[i].rank_low, low) << i;
    EXPECT_EQ(standings[i].rank_high, high) << i;
    EXPECT_EQ(standings[i].tied_with_best, tied) << i;
  };
  expect(0, 10, 1, 2, true);
  expect(1, 11, 1, 3, true);
  expect(2, 12, 3, 4, false);
  expect(3, 13, 2, 4, false);
}

TEST(TableTests, WithoutPNothingIsToldApart) {
  const std::vector<PairTest> pairs = {pair_of(0, 1, 0.8, std::nullopt), pair_of(0, 2, 0.7, std::nullopt)};
  const auto standings = standings_of({{0, 0.9, 2, 50}, {1, 0.1, 5, 50}, {2, 0.2, 2, 100}}, pairs);
  for (const Standing& row : standings) {
    EXPECT_TRUE(row.tied_with_best);
    EXPECT_EQ(row.rank_low, 1);
    EXPECT_EQ(row.rank_high, 3);
  }
  EXPECT_TRUE(standings[0].too_small);
  EXPECT_FALSE(standings[1].too_small);
  EXPECT_FALSE(standings[2].too_small);
}

BootstrapDesign design_of(std::size_t units) {
  BootstrapDesign design;
  design.units = units;
  for (std::size_t i = 0; i < units; ++i) design.unit_of.push_back(i);
  design.seed = 7;
  design.draws = 1000;
  return design;
}

double mean_by_weights(const std::vector<double>& values, const std::vector<double>& weights) {
  double sum = 0, n = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += weights[i] * values[i], n += weights[i];
  return sum / n;
}

TEST(TableBootstrap, ScoresByWeightsAndValuesAreTheSame) {
  std::vector<std::vector<double>> values = {{}, {}, {}};
  for (std::size_t s = 0; s < values.size(); ++s)
    for (std::size_t i = 0; i < 40; ++i) values[s].push_back((i * 7 + s * 3) % 5 < 3 ? 1 : 0);
  BootstrapRow by_weights{"lora", 3, {}, {}};
  by_weights.score = [&](std::size_t s, const auto& weights) { return mean_by_weights(values[s], weights); };
  const BootstrapRow by_values{"lora", 3, values, {}};
  const auto drawn = bootstrap_scores(design_of(40), {by_values, by_weights});
  ASSERT_EQ(drawn.size(), 2u);
  ASSERT_EQ(drawn[0].size(), 1000u);
  for (std::size_t d = 0; d < 1000; ++d) EXPECT_NEAR(drawn[0][d], drawn[1][d], 1e-12);
  EXPECT_LT(percentile_interval(drawn[0]).low, percentile_interval(drawn[0]).high);
}

TEST(TableBootstrap, ARowDoesNotDependOnTheOthers) {
  const BootstrapRow a{"a", 2, {{1, 0, 1, 0, 1}, {1, 1, 1, 0, 0}}, {}},
      b{"b", 2, {{1, 0, 1, 0, 1}, {1, 1, 1, 0, 0}}, {}};
  const auto alone = bootstrap_scores(design_of(5), {b}), both = bootstrap_scores(design_of(5), {a, b});
  EXPECT_EQ(alone[0], both[1]);
  EXPECT_NE(both[0], both[1]) << "the seeds of two rows have nothing in common";
  const BootstrapRow one{"one", 1, {{1, 0, 1, 0, 1}}, {}}, other{"other", 1, {{1, 0, 1, 0, 1}}, {}};
  const auto same = bootstrap_scores(design_of(5), {one, other});
  EXPECT_EQ(same[0], same[1]) << "with one seed each only examples are drawn, the same for all rows";
}

TEST(TableBootstrap, DegenerateInput) {
  EXPECT_TRUE(bootstrap_scores(design_of(0), {{"a", 1, {{}}, {}}}).empty());
  EXPECT_THROW(bootstrap_scores(design_of(3), {{"a", 1, {{1, 0}}, {}}}), Error);
  const auto constant = bootstrap_scores(design_of(3), {{"a", 2, {{1, 1, 1}, {1, 1, 1}}, {}}});
  for (const double score : constant.at(0)) EXPECT_DOUBLE_EQ(score, 1);
}

}  // namespace
}  // namespace peftbench::table_tests_test
