#include "eval/metrics.h"

#include <peftbench/error.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>

namespace peftbench {
namespace {

// 200 labels from a linear congruential formula: x ← 1103515245 x + 12345 mod 2³¹, from x = 12345; for each example
// the target is (x >> 16) mod 3; then, with the next x, b = (x >> 16) mod 10 and the prediction is the target if
// b < 6, −1 if b = 6, else (x >> 20) mod 3. The expected values are scikit-learn 1.9.1's on the same lists:
// accuracy_score(t, p), f1_score(t, p, average='macro', labels=range(3), zero_division=0), matthews_corrcoef(t, p).
std::vector<Outcome> formula_outcomes() {
  std::vector<Outcome> outcomes;
  std::uint64_t x = 12345;
  const auto next = [&] { return x = (1103515245 * x + 12345) % (std::uint64_t{1} << 31); };
  for (int i = 0; i < 200; ++i) {
    const int target = static_cast<int>((next() >> 16) % 3);
    const auto b = (next() >> 16) % 10;
    const int predicted = b < 6 ? target : b == 6 ? -1 : static_cast<int>((x >> 20) % 3);
    outcomes.push_back({predicted, target, predicted == target});
  }
  return outcomes;
}

TEST(Metrics, EqualScikitLearn) {
  const auto outcomes = formula_outcomes();
  EXPECT_DOUBLE_EQ(compute_metric("accuracy", outcomes, 3).value, 0.685);
  EXPECT_NEAR(compute_metric("macro_f1", outcomes, 3).value, 0.7221948616925223, 1e-12);
  EXPECT_NEAR(compute_metric("macro_f1", outcomes, 4).value, 0.5416461462693918, 1e-12);  // a label that never occurs
  EXPECT_NEAR(compute_metric("matthews", outcomes, 3).value, 0.5591032728370693, 1e-12);
  EXPECT_EQ(compute_metric("macro_f1", outcomes, 3).n, 200);
}

TEST(Metrics, EqualScikitLearnForTwoClasses) {
  auto outcomes = formula_outcomes();
  for (auto& o : outcomes) o = {std::abs(o.predicted) % 2, o.target % 2, false};
  EXPECT_NEAR(compute_metric("matthews", outcomes, 2).value, 0.5369742570397311, 1e-12);
  EXPECT_NEAR(compute_metric("macro_f1", outcomes, 2).value, 0.7674104124408384, 1e-12);
}

// scipy.stats.binomtest(140, 200).proportion_ci(method='wilson'), and of 0 in 7.
TEST(Metrics, WilsonIntervalEqualsScipys) {
  std::vector<Outcome> outcomes(200, Outcome{1, 0, false});
  for (int i = 0; i < 140; ++i) outcomes[i] = {0, 0, true};
  for (const auto* name : {"accuracy", "exact_match"}) {
    const auto metric = compute_metric(name, outcomes, 2);
    EXPECT_DOUBLE_EQ(metric.value, 0.7);
    EXPECT_NEAR(metric.low, 0.6332093162728073, 1e-9);
    EXPECT_NEAR(metric.high, 0.759252553176286, 1e-9);
  }
  const auto none = compute_metric("accuracy", std::vector<Outcome>(7, Outcome{1, 0, false}), 2);
  EXPECT_DOUBLE_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.35433043506668743, 1e-9);
}

TEST(Metrics, BootstrapHoldsTheValueAndIsRepeatable) {
  const auto outcomes = formula_outcomes();
  for (const auto* name : {"macro_f1", "matthews"}) {
    const auto first = compute_metric(name, outcomes, 3, 5), again = compute_metric(name, outcomes, 3, 5);
    EXPECT_LT(first.low, first.value);
    EXPECT_GT(first.high, first.value);
    EXPECT_GT(first.high - first.low, 0.05);
    EXPECT_LT(first.high - first.low, 0.4);
    EXPECT_EQ(first.low, again.low);
    EXPECT_EQ(first.high, again.high);
    EXPECT_NE(first.low, compute_metric(name, outcomes, 3, 6).low);
  }
}

TEST(Metrics, AnIllegalAnswerIsNeverRight) {
  const std::vector<Outcome> outcomes = {{-1, -1, false}, {-1, 0, false}};
  EXPECT_EQ(compute_metric("accuracy", outcomes, 2).value, 0);
}

TEST(Metrics, OneClassHasNoCorrelation) {
  EXPECT_EQ(compute_metric("matthews", std::vector<Outcome>(5, Outcome{0, 0, true}), 2).value, 0);
}

TEST(Metrics, AnUnknownNameGetsASuggestion) {
  try {
    compute_metric("acuracy", {}, 2);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("accuracy"), std::string::npos);
  }
}

TEST(Metrics, MajorityIsTheMostFrequentAndOfEqualsTheLowest) {
  EXPECT_EQ(majority_label({2, 1, 2, 1, 0}), 1);
  EXPECT_EQ(majority_label({2, 2, -1, -1, -1, 0}), 2);
  EXPECT_EQ(majority_label({-1}), -1);
}

}  // namespace
}  // namespace peftbench
