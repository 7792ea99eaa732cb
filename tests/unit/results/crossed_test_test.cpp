// Known values, and what degenerate input gives; tests/parity/test_statistics.py compares with NumPy and SciPy.
#include "results/crossed_test.h"
#include "results/jackknife.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/math/distributions/students_t.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace peftbench::crossed_test_test {

using namespace layers;

namespace {

using testing::DoubleNear;
using testing::ElementsAre;

double two_sided_p(double t, double degrees) {
  return 2 * boost::math::cdf(boost::math::complement(boost::math::students_t_distribution<double>(degrees), t));
}

TEST(CrossedRow, IsATwoWayTable) {
  const CrossedRow row = crossed_row({{1, 0, 1, 0}, {1, 1, 1, 0}});
  EXPECT_EQ(row.seeds, 2u);
  EXPECT_DOUBLE_EQ(row.mean, 0.625);
  EXPECT_DOUBLE_EQ(row.seed_variance, 0.03125);  // of 0.5 and 0.75
  EXPECT_THAT(row.unit_means, ElementsAre(1, 0.5, 1, 0));
  // Residuals ±1/8 but for the second example, ∓3/8: their squares over (2 − 1)(4 − 1).
  EXPECT_DOUBLE_EQ(row.residual, (6 * 1.0 / 64 + 2 * 9.0 / 64) / 3);
}

TEST(CrossedTest, WithoutSpreadOverSeedsItIsTheTestOfExamples) {
  const CrossedRow a = crossed_row({{1, 1, 0, 1, 1, 0}, {1, 1, 0, 1, 1, 0}});
  const CrossedRow b = crossed_row({{0, 1, 0, 0, 1, 0}, {0, 1, 0, 0, 1, 0}, {0, 1, 0, 0, 1, 0}});
  const auto found = crossed_test(a, b);
  ASSERT_TRUE(found && found->p);
  EXPECT_EQ(found->seed_part, 0);
  // Differences 1, 0, 0, 1, 0, 0.
  const double deviation = std::sqrt((2 * 4.0 / 9 + 4 * 1.0 / 9) / 5);
  EXPECT_NEAR(*found->p, two_sided_p(1.0 / 3 / (deviation / std::sqrt(6)), 5), 1e-12);
}

TEST(CrossedTest, WithoutSpreadOverExamplesItIsWelchs) {
  const CrossedRow a = crossed_row({{0.5, 0.5}, {0.75, 0.75}, {0.625, 0.625}});
  const CrossedRow b = crossed_row({{0.25, 0.25}, {0.375, 0.375}});
  const auto found = crossed_test(a, b);
  ASSERT_TRUE(found && found->p);
  const double part_a = 0.015625 / 3, part_b = 0.0078125 / 2;
  const double degrees = (part_a + part_b) * (part_a + part_b) / (part_a * part_a / 2 + part_b * part_b);
  EXPECT_EQ(found->unit_part, 0);
  EXPECT_NEAR(found->seed_degrees, degrees, 1e-12);
  EXPECT_NEAR(*found->p, two_sided_p(0.3125 / std::sqrt(part_a + part_b), degrees), 1e-12);
}

TEST(CrossedTest, LiesBetweenTheTestsOfSeedsAndOfExamples) {
  const CrossedRow a = crossed_row({{1, 1, 1, 0, 1, 1, 0, 1}, {1, 1, 1, 1, 1, 0, 0, 1}});
  const CrossedRow b = crossed_row({{0, 1, 0, 0, 1, 1, 0, 0}, {0, 0, 0, 0, 0, 1, 0, 1}});
  const auto found = crossed_test(a, b), other = crossed_test(b, a);
  ASSERT_TRUE(found && found->p && other && other->p);
  EXPECT_EQ(found->difference, -other->difference);
  EXPECT_DOUBLE_EQ(*found->p, *other->p);
  const double t = found->difference / std::sqrt(found->seed_part + found->unit_part);
  const double by_seeds = two_sided_p(t, found->seed_degrees), by_units = two_sided_p(t, found->unit_degrees);
  EXPECT_GT(*found->p, std::min(by_seeds, by_units));
  EXPECT_LT(*found->p, std::max(by_seeds, by_units));
}

TEST(CrossedTest, OneSeedBorrowsTheSpreadOfTheOther) {
  const CrossedRow several = crossed_row({{1, 1, 0, 1}, {1, 0, 1, 1}, {1, 1, 1, 1}});
  const CrossedRow one = crossed_row({{0, 0, 0, 1}});
  const auto found = crossed_test(several, one);
  ASSERT_TRUE(found && found->p);
  EXPECT_DOUBLE_EQ(found->seed_part, several.seed_variance * (1 + 1.0 / 3));
  EXPECT_EQ(found->seed_degrees, 2);
  EXPECT_THAT(found->test, testing::HasSubstr("one row with one seed"));
  EXPECT_FALSE(crossed_test(one, one)) << "no spread to borrow";
}

TEST(CrossedTest, WhatDoesNotVaryHasNoTest) {
  const CrossedRow good = crossed_row({{1, 1, 1}, {1, 1, 1}}), bad = crossed_row({{0, 0, 0}, {0, 0, 0}});
  EXPECT_EQ(crossed_test(good, good)->p, 1.0);
  EXPECT_EQ(crossed_test(bad, bad)->p, 1.0);
  const auto found = crossed_test(good, bad);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->p);
  EXPECT_EQ(found->test, "no variation");
  EXPECT_EQ(found->difference, 1);
  // Of tenths that rounding makes a little unequal.
  const CrossedRow tenth = crossed_row({{0.1, 0.1, 0.1}, {0.1, 0.1, 0.1}, {0.1, 0.1, 0.1}});
  EXPECT_FALSE(crossed_test(good, tenth)->p);
  EXPECT_EQ(crossed_test(tenth, tenth)->p, 1.0);
}

TEST(CrossedTest, AVeryLargeDifferenceHasAPositiveP) {
  SeedValues a(3, std::vector<double>(2000, 1)), b(3, std::vector<double>(2000, 0));
  a[0][0] = 0;
  a[1][1] = 0;
  const auto found = crossed_test(crossed_row(a), crossed_row(b));
  ASSERT_TRUE(found && found->p);
  EXPECT_GT(*found->p, 0);
  EXPECT_LT(*found->p, 1e-6);
}

TEST(CrossedTest, RefusesRowsThatDoNotFit) {
  EXPECT_THROW(crossed_row({}), Error);
  EXPECT_THROW(crossed_row({{1, 0}, {1}}), Error);
  EXPECT_THROW(crossed_test(crossed_row({{1, 0}, {1, 1}}), crossed_row({{1, 0, 1}, {1, 1, 1}})), Error);
  EXPECT_FALSE(crossed_test(crossed_row({{1}, {0}}), crossed_row({{0}, {0}}))) << "one unit tells no spread";
}

double weighted_mean(const std::vector<double>& values, const std::vector<double>& weights) {
  const double sum = std::inner_product(values.begin(), values.end(), weights.begin(), 0.0);
  return sum / std::accumulate(weights.begin(), weights.end(), 0.0);
}

TEST(Jackknife, OfAMeanGivesItsValues) {
  const std::vector<double> values = {1, 0, 0.5, 0.25};
  const auto found =
      jackknife_values({0, 1, 2, 3}, 4, [&](const auto& weights) { return weighted_mean(values, weights); });
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_THAT(found[i], DoubleNear(values[i], 1e-12));
}

TEST(Jackknife, LeavesWholeUnitsOutAndKeepsTheScore) {
  const std::vector<double> values = {1, 0, 0.5, 0.25, 0.75};
  const auto square = [&](const std::vector<double>& weights) { return std::pow(weighted_mean(values, weights), 2); };
  const auto found = jackknife_values({0, 0, 1, 2, 2}, 3, square);
  ASSERT_EQ(found.size(), 3u);
  const double whole = std::pow(0.5, 2), mean = (found[0] + found[1] + found[2]) / 3;
  EXPECT_NEAR(mean, whole, 1e-12);
  EXPECT_NEAR(found[0] - found[1], 2 * (std::pow(2.0 / 4, 2) - std::pow(1.5 / 3, 2)), 1e-12);
  EXPECT_THAT(jackknife_values({0, 0}, 1, [](const auto&) { return 0.5; }), ElementsAre(0.5));
  EXPECT_THAT(jackknife_values({}, 0, [](const auto&) { return 0.5; }), ElementsAre());
}

}  // namespace
}  // namespace peftbench::crossed_test_test
