// Known values, and what degenerate input gives; tests/parity/test_statistics.py compares with SciPy and statsmodels.
#include "results/holm.h"
#include "results/mcnemar.h"
#include "results/permutation.h"
#include "results/wilcoxon.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <optional>

namespace peftbench::paired_tests_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::Optional;

TEST(McNemar, IsTwiceTheTailOfABinomial) {
  EXPECT_NEAR(mcnemar_exact(1, 8).value(), 2.0 * 10 / 512, 1e-15);
  EXPECT_EQ(mcnemar_exact(1, 8), mcnemar_exact(8, 1));
  EXPECT_DOUBLE_EQ(mcnemar_exact(0, 5).value(), 2.0 / 32);
  EXPECT_EQ(mcnemar_exact(4, 4), 1.0);
}

TEST(McNemar, NoDiscordantPairIsNoDifference) {
  EXPECT_EQ(mcnemar_exact(0, 0), 1.0);
  EXPECT_FALSE(mcnemar_exact(-1, 2));
}

TEST(SignFlip, CountsAllFlips) {
  EXPECT_DOUBLE_EQ(sign_flip_test({0.1, 0.2, 0.3, 0.1, 0.4}, 0).value(), 2.0 / 32);
  EXPECT_DOUBLE_EQ(sign_flip_test({1, 2, -3}, 0).value(), 1);
  EXPECT_DOUBLE_EQ(sign_flip_test({1, 1, -1}, 0).value(), 1);  // sums of ±1 and ±3
}

TEST(SignFlip, DrawsWhereThereAreTooMany) {
  const std::vector<double> alike(30, 0.25);
  EXPECT_DOUBLE_EQ(sign_flip_test(alike, 0).value(), 1.0 / 10'001);  // never 0
  std::vector<double> even = alike;
  for (std::size_t i = 0; i < even.size(); i += 2) even[i] = -0.25;
  EXPECT_EQ(sign_flip_test(even, 0), 1.0);
}

TEST(SignFlip, DegenerateInput) {
  EXPECT_FALSE(sign_flip_test({}, 0));
  EXPECT_EQ(sign_flip_test({0.5}, 0), 1.0);
  EXPECT_EQ(sign_flip_test({0, 0, 0}, 0), 1.0);
  EXPECT_FALSE(sign_flip_test({0.5, std::numeric_limits<double>::quiet_NaN()}, 0));
}

TEST(Permutation, TakesAnyDifference) {
  // The larger side decides: of three units 2 · 1/8 are as far as all on one side.
  const auto difference = [](const std::vector<char>& exchanged) {
    int sum = 0;
    for (const char one : exchanged) sum += one ? -1 : 1;
    return sum == 3 || sum == -3 ? 1.0 : 0.0;
  };
  EXPECT_THAT(permutation_test(3, 0, difference), Optional(0.25));
  EXPECT_FALSE(permutation_test(0, 0, difference));
}

TEST(Wilcoxon, IsExactForFewWithoutTies) {
  const auto found = wilcoxon_signed_rank({1, 2, 3, 4, 5, -6});
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->exact);
  EXPECT_DOUBLE_EQ(found->p, 2.0 * 14 / 64);  // 14 sets of ranks have a sum of 6 or less
  EXPECT_DOUBLE_EQ(wilcoxon_signed_rank({0.3})->p, 1);
}

TEST(Wilcoxon, IsNormalWithTiesOrZeros) {
  const auto ties = wilcoxon_signed_rank({1, 1, 1, 1});
  ASSERT_TRUE(ties);
  EXPECT_FALSE(ties->exact);
  EXPECT_NEAR(ties->p, 0.04550026389635842, 1e-12);  // z = 5 / √(30/4 − 60/48) = 2
  const auto zero = wilcoxon_signed_rank({0, 1, 2, -3});
  ASSERT_TRUE(zero);
  EXPECT_FALSE(zero->exact);
  EXPECT_DOUBLE_EQ(zero->p, 1);
}

TEST(Wilcoxon, IsAbsentWithoutADifference) {
  EXPECT_FALSE(wilcoxon_signed_rank({}));
  EXPECT_FALSE(wilcoxon_signed_rank({0, 0}));
}

TEST(Holm, StepsDownAndLeavesOutWhatIsAbsent) {
  EXPECT_THAT(holm_adjusted({0.04, std::nullopt, 0.01, 0.03}),
              ElementsAre(Optional(0.06), std::optional<double>(), Optional(0.03), Optional(0.06)));
  EXPECT_THAT(holm_adjusted({0.7, 0.6}), ElementsAre(Optional(1.0), Optional(1.0)));
  EXPECT_TRUE(holm_adjusted({}).empty());
}

}  // namespace
}  // namespace peftbench::paired_tests_test
