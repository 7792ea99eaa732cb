#include "results/bootstrap.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace peftbench::bootstrap_test {

using namespace layers;

namespace {

using Weights = std::vector<double>;

BootstrapDesign design_of(std::size_t examples, std::size_t seeds = 1) {
  BootstrapDesign design;
  design.unit_of.resize(examples);
  std::iota(design.unit_of.begin(), design.unit_of.end(), std::size_t{0});
  design.units = examples;
  design.seeds = seeds;
  design.draws = 2000;
  return design;
}

// The first `right` of the examples are right.
SeedScore share(std::size_t right) {
  return [right](std::size_t, const Weights& weights) {
    double sum = 0, n = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      sum += i < right ? weights[i] : 0;
      n += weights[i];
    }
    return sum / n;
  };
}

TEST(PairedBootstrap, IsAboutTheNormalIntervalOfAShare) {
  const auto intervals = paired_bootstrap(design_of(400), share(200), share(200));
  ASSERT_TRUE(intervals);
  EXPECT_NEAR(intervals->a.low, 0.451, 0.006);  // 0.5 ± 1.96 · √(0.25 / 400)
  EXPECT_NEAR(intervals->a.high, 0.549, 0.006);
  // The same answers on the same draws.
  EXPECT_EQ(intervals->difference.low, 0);
  EXPECT_EQ(intervals->difference.high, 0);
}

TEST(PairedBootstrap, IsDrawnByItsSeed) {
  BootstrapDesign design = design_of(50);
  const auto once = paired_bootstrap(design, share(20), share(30)),
             again = paired_bootstrap(design, share(20), share(30));
  EXPECT_EQ(once->difference.low, again->difference.low);
  const auto uneven = [](std::size_t, const Weights& weights) {
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += weights[i] * std::sqrt(static_cast<double>(i));
    return sum;
  };
  const auto first = paired_bootstrap(design, uneven, share(30));
  design.seed = 1;
  EXPECT_NE(first->a.low, paired_bootstrap(design, uneven, share(30))->a.low);
}

TEST(PairedBootstrap, SeedsAreDrawnTooAndPairsStayTogether) {
  const auto by_seed = [](double more) {
    return [more](std::size_t seed, const Weights&) { return 0.1 * static_cast<double>(seed) + more; };
  };
  const auto intervals = paired_bootstrap(design_of(10, 5), by_seed(0.05), by_seed(0));
  ASSERT_TRUE(intervals);
  EXPECT_LT(intervals->b.low, 0.1);
  EXPECT_GT(intervals->b.high, 0.3);
  EXPECT_NEAR(intervals->difference.low, 0.05, 1e-12);
  EXPECT_NEAR(intervals->difference.high, 0.05, 1e-12);
}

TEST(PairedBootstrap, ExamplesOfAUnitAreDrawnTogether) {
  BootstrapDesign design = design_of(4);
  design.unit_of = {0, 0, 1, 1};
  design.units = 2;
  paired_bootstrap(
      design,
      [](std::size_t, const Weights& weights) {
        EXPECT_EQ(weights[0], weights[1]);
        EXPECT_EQ(weights[2], weights[3]);
        EXPECT_EQ(weights[0] + weights[2], 2);
        return 0.0;
      },
      share(1));
}

TEST(PairedBootstrap, IsAbsentWhereThereIsNothingToDraw) {
  EXPECT_FALSE(paired_bootstrap(design_of(0), share(0), share(0)));
  EXPECT_FALSE(paired_bootstrap(design_of(3, 0), share(0), share(0)));
  const auto undefined = [](std::size_t, const Weights&) { return std::numeric_limits<double>::quiet_NaN(); };
  EXPECT_FALSE(paired_bootstrap(design_of(3), undefined, share(0)));
}

}  // namespace
}  // namespace peftbench::bootstrap_test
