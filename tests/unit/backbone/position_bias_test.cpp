#include "backbone/layers/position_bias.h"
#include "support/layers.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <map>

namespace peftbench::position_bias_test {

using namespace layers;

namespace {

// First distance of each bucket; recipes of T5: 32 buckets, maximal distance 128.
const std::map<int64_t, int64_t> bidirectional{{8, 8},   {12, 9},  {16, 10}, {23, 11},
                                               {32, 12}, {46, 13}, {64, 14}, {91, 15}};
const std::map<int64_t, int64_t> causal{{16, 16}, {19, 17}, {21, 18}, {24, 19}, {27, 20}, {31, 21},
                                        {35, 22}, {40, 23}, {46, 24}, {52, 25}, {59, 26}, {67, 27},
                                        {77, 28}, {87, 29}, {99, 30}, {113, 31}};

int64_t expected(const std::map<int64_t, int64_t>& starts, int64_t distance) {
  const auto after = starts.upper_bound(distance);
  return after == starts.begin() ? distance : std::prev(after)->second;
}

TEST(RelativeBucket, BothModesOver200Offsets) {
  for (int64_t relative = -200; relative <= 200; ++relative) {
    const int64_t two_way = expected(bidirectional, std::abs(relative)) + (relative > 0 ? 16 : 0);
    EXPECT_EQ(relative_bucket(relative, true, 32, 128), two_way) << relative;
    EXPECT_EQ(relative_bucket(relative, false, 32, 128), relative > 0 ? 0 : expected(causal, -relative)) << relative;
  }
}

TEST(PositionScores, FollowTheTable) {
  const RelativeBias bias{at::arange(64, at::kFloat).view({32, 2}), true, 128};
  const Tensor scores = position_scores(bias, 3, 4, 0, PrefixBias::none);
  ASSERT_EQ(scores.sizes(), (std::vector<int64_t>{1, 2, 3, 4}));
  for (int64_t q = 0; q < 3; ++q) {
    for (int64_t k = 0; k < 4; ++k) {
      EXPECT_EQ(scores[0][1][q][k].item<float>(), static_cast<float>(2 * relative_bucket(k - q, true, 32, 128) + 1));
    }
  }
}

TEST(PositionScores, PrefixColumnsFollowThePolicy) {
  const RelativeBias bias{at::arange(64, at::kFloat).view({32, 2}), false, 128};
  const Tensor none = position_scores(bias, 3, 3, 2, PrefixBias::none);
  const Tensor before = position_scores(bias, 3, 3, 2, PrefixBias::before_sequence);
  EXPECT_EQ(none.narrow(3, 0, 2).abs().sum().item<float>(), 0);
  EXPECT_TRUE(none.narrow(3, 2, 3).equal(before.narrow(3, 2, 3)));
  EXPECT_EQ(before[0][0][2][0].item<float>(), 2.F * 4);  // key at −2, query at 2
  const Tensor one = position_scores(bias, at::tensor({2}, at::kLong), at::tensor({-2, 0}, at::kLong).view({1, 2}));
  EXPECT_EQ(one[0][0][0][0].item<float>(), before[0][0][2][0].item<float>());
}

TEST(Masks, HideWhatMustNotBeSeen) {
  const Tensor lengths = length_mask(TokenLayout::of({1, 3}), 1);
  ASSERT_EQ(lengths.sizes(), (std::vector<int64_t>{2, 1, 1, 4}));
  const auto hidden = [](const Tensor& mask) { return (mask < -1e30).to(at::kLong).flatten(); };
  EXPECT_TRUE(hidden(lengths).equal(at::tensor({0, 0, 1, 1, 0, 0, 0, 0}, at::kLong)));
  EXPECT_FALSE(length_mask(TokenLayout::of({3, 3}), 1).defined());
  EXPECT_TRUE(hidden(causal_mask(2, 2, 1)).equal(at::tensor({0, 0, 1, 0, 0, 0}, at::kLong)));
}

}  // namespace
}  // namespace peftbench::position_bias_test
