#include "pretrain/prefix_lm.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

namespace peftbench::prefix_lm_test {

using namespace layers;

namespace {

using Ids = std::vector<int64_t>;

TEST(PrefixLm, EverySplitIsEquallyLikelyAndNoneIsEmpty) {
  constexpr int draws = 20000;
  Ids ids(11);
  std::iota(ids.begin(), ids.end(), 100);
  Random random(2);
  std::map<std::size_t, int> counts;
  for (int i = 0; i < draws; ++i) {
    const EncodedExample example = prefix_lm(ids, 1, random);
    ASSERT_EQ(example.input.back(), 1);
    ASSERT_EQ(example.target.back(), 1);
    Ids joined(example.input.begin(), example.input.end() - 1);
    joined.insert(joined.end(), example.target.begin(), example.target.end() - 1);
    ASSERT_EQ(joined, ids);
    ++counts[example.input.size() - 1];
  }
  ASSERT_EQ(counts.begin()->first, 1u);
  ASSERT_EQ(counts.rbegin()->first, 10u);
  double chi_square = 0;
  for (const auto& [split, count] : counts) chi_square += std::pow(count - draws / 10.0, 2) / (draws / 10.0);
  EXPECT_LT(chi_square, 34);  // 9 degrees of freedom: one seed in ten thousand exceeds 34
}

TEST(PrefixLm, OfTwoTokensHasOneOnEachSide) {
  Random random(2);
  const EncodedExample example = prefix_lm(Ids{7, 8}, 1, random);
  EXPECT_EQ(example.input, (Ids{7, 1}));
  EXPECT_EQ(example.target, (Ids{8, 1}));
}

TEST(PrefixLm, RefusesOneToken) {
  Random random(2);
  EXPECT_THAT([&] { prefix_lm(Ids{7}, 1, random); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("too short for a prefix")));
  EXPECT_THAT([&] { prefix_lm(Ids{}, 1, random); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("too short for a prefix")));
}

}  // namespace
}  // namespace peftbench::prefix_lm_test
