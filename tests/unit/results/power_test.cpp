#include "results/power.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <cmath>

namespace peftbench::power_test {

using namespace layers;

namespace {

PowerDesign design_with(std::int64_t seeds, std::int64_t examples, std::int64_t pairs) {
  PowerDesign design;
  design.seeds = seeds;
  design.examples = examples;
  design.pairs = pairs;
  return design;
}

TEST(Power, OfTwoRunsIsThatOfTheirExamples) {
  // (z(0.975) + z(0.8)) · √(2 · 0.25 · 0.5 / n), as the t distribution is normal with so many.
  const double expected = (1.959964 + 0.841621) * std::sqrt(0.25 / 1e6);
  EXPECT_NEAR(detectable_difference(design_with(1, 1'000'000, 1)), expected, 1e-7);
}

TEST(Power, OfManyExamplesIsThatOfTheSeeds) {
  // With 5 seeds each: (t₈(0.975) + t₈(0.8)) · √(2 · 0.02² / 5).
  EXPECT_NEAR(detectable_difference(design_with(5, 100'000'000, 1)), (2.306004 + 0.888890) * std::sqrt(2 * 0.0004 / 5),
              1e-5);
}

TEST(Power, MoreSeedsAndExamplesFindSmallerDifferencesAndMorePairsLarger) {
  const double some = detectable_difference(design_with(5, 500, 66));
  EXPECT_LT(detectable_difference(design_with(10, 500, 66)), some);
  EXPECT_LT(detectable_difference(design_with(5, 5000, 66)), some);
  EXPECT_LT(detectable_difference(design_with(5, 500, 1)), some);
  EXPECT_GT(some, 0.05);
  EXPECT_LT(some, 0.15);
  PowerDesign good = design_with(1, 500, 66);
  good.accuracy = 0.9;
  EXPECT_LT(detectable_difference(good), detectable_difference(design_with(1, 500, 66)));
}

TEST(Power, IsUnknownWithoutExamples) {
  EXPECT_TRUE(std::isnan(detectable_difference(design_with(5, 0, 1))));
  EXPECT_TRUE(std::isnan(detectable_difference(design_with(5, 1, 1))));
  EXPECT_TRUE(std::isnan(detectable_difference(design_with(0, 500, 1))));
}

}  // namespace
}  // namespace peftbench::power_test
