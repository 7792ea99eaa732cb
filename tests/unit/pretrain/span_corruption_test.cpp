#include "pretrain/span_corruption.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

namespace peftbench::span_corruption_test {

using namespace layers;

namespace {

using Ids = std::vector<int64_t>;

Ids raw_ids(int64_t n) {
  Ids ids(static_cast<std::size_t>(n));
  std::iota(ids.begin(), ids.end(), 10);
  return ids;
}

// Runs of equal values of a mask: the value of each, and its length.
std::vector<std::pair<bool, int64_t>> runs(const std::vector<bool>& mask) {
  std::vector<std::pair<bool, int64_t>> result;
  for (const bool value : mask) {
    if (result.empty() || result.back().first != value) result.emplace_back(value, 0);
    ++result.back().second;
  }
  return result;
}

struct Known {
  int64_t inputs;
  double density, mean_span;
  int64_t raw, targets;
};

// Values of T5's own tests, and of its helper for the lengths that people take.
TEST(SpanLengths, AreThoseOfT5) {
  for (const Known& k : {Known{512, 0.15, 3, 568, 114},
                         {64, 0.20, 2, 70, 22},
                         {64, 0.20, 1, 63, 27},
                         {64, 0.15, 3, 70, 14},
                         {128, 0.15, 3, 141, 29},
                         {256, 0.15, 3, 284, 58},
                         {1024, 0.15, 3, 1137, 229}}) {
    const SpanLengths lengths = span_lengths(k.inputs, k.density, k.mean_span);
    EXPECT_EQ(lengths.raw, k.raw) << k.inputs << " " << k.mean_span;
    EXPECT_EQ(lengths.targets, k.targets) << k.inputs << " " << k.mean_span;
  }
}

TEST(SpanLengths, HalfNoiseKeepsTheTargetAsShortAsTheInput) {
  const SpanLengths lengths = span_lengths(512, 0.5, 3);
  EXPECT_LE(lengths.targets, 512);
  EXPECT_GE(lengths.targets, 510);
}

// hostile 11: the loop over lengths had no end for these.
TEST(SpanLengths, OfMoreThan16MillionTokensAreRefused) {
  EXPECT_EQ(span_lengths(1 << 20, 0.15, 3).raw, 1'165'084);
  EXPECT_THROW(span_lengths(INT64_MAX, 0.15, 3), ConfigError);
  EXPECT_THROW(span_lengths(INT64_MAX / 2, 0.999999, 1e300), ConfigError);
  EXPECT_THROW(span_lengths(512, 1 - 1e-12, 1e9), ConfigError);
}

TEST(SpanLengths, RefuseWhatCannotBe) {
  EXPECT_THROW(span_lengths(512, 0, 3), ConfigError);
  EXPECT_THROW(span_lengths(512, 1, 3), ConfigError);
  EXPECT_THROW(span_lengths(512, std::nan(""), 3), ConfigError);
  EXPECT_THROW(span_lengths(512, 0.15, 0.5), ConfigError);
  EXPECT_THROW(span_lengths(1, 0.15, 3), ConfigError);
}

TEST(NoiseMask, HasT5sEightTokensInFourRuns) {
  Random random(3);
  const std::vector<bool> mask = noise_mask(32, 0.25, 2, random);
  EXPECT_EQ(std::count(mask.begin(), mask.end(), true), 8);
  EXPECT_EQ(runs(mask).size(), 8u);
  EXPECT_FALSE(mask.front());
  EXPECT_TRUE(mask.back());
}

TEST(NoiseMask, OfEveryLengthHasTheNumbersThatItsDensityAsksFor) {
  Random random(1);
  for (const double density : {0.05, 0.15, 0.25, 0.5, 0.9}) {
    for (const double mean : {1.0, 2.0, 3.0, 4.5, 10.0}) {
      for (int64_t n = 2; n <= 600; ++n) {
        const std::vector<bool> mask = noise_mask(n, density, mean, random);
        ASSERT_EQ(mask.size(), static_cast<std::size_t>(n));
        const double wanted = std::nearbyint(static_cast<double>(n) * density);
        const auto noise = static_cast<int64_t>(std::clamp(wanted, 1.0, static_cast<double>(n - 1)));
        ASSERT_EQ(std::count(mask.begin(), mask.end(), true), noise) << n << " " << density << " " << mean;
        const auto spans =
            std::min({std::max<int64_t>(static_cast<int64_t>(std::nearbyint(static_cast<double>(noise) / mean)), 1),
                      noise, n - noise});
        ASSERT_EQ(static_cast<int64_t>(runs(mask).size()), 2 * spans) << n << " " << density << " " << mean;
        ASSERT_FALSE(mask.front());
        ASSERT_TRUE(mask.back());
      }
    }
  }
}

// 10 · 0.15 = 1.5 and 30 · 0.15 = 4.5: Python and TensorFlow round both to the even neighbour, C's round() does not.
TEST(NoiseMask, RoundsHalvesToEven) {
  Random random(1);
  const auto noise = [&](int64_t n) {
    const std::vector<bool> mask = noise_mask(n, 0.15, 3, random);
    return std::count(mask.begin(), mask.end(), true);
  };
  EXPECT_EQ(noise(10), 2);
  EXPECT_EQ(noise(30), 4);
  EXPECT_EQ(noise(50), 8);
}

TEST(NoiseMask, OfOneTokenHidesNothingAndOfTwoTheLast) {
  Random random(1);
  EXPECT_EQ(noise_mask(1, 0.15, 3, random), std::vector<bool>({false}));
  EXPECT_EQ(noise_mask(2, 0.15, 3, random), std::vector<bool>({false, true}));
}

// 12 tokens, 6 of them noise in 3 spans: C(5, 2) = 10 ways to cut the noise and 10 to cut the text, all alike.
TEST(NoiseMask, AllPartitionsAreEquallyLikely) {
  constexpr int draws = 40000;
  Random random(7);
  std::map<std::vector<bool>, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[noise_mask(12, 0.5, 2, random)];
  ASSERT_EQ(counts.size(), 100u);
  double chi_square = 0;
  for (const auto& [mask, count] : counts) chi_square += std::pow(count - draws / 100.0, 2) / (draws / 100.0);
  EXPECT_LT(chi_square, 160);  // 99 degrees of freedom: one seed in ten thousand exceeds 160
}

// The tokens in their order, each sentinel of the input replaced by what follows it in the target.
Ids restored(const EncodedExample& example, const SpecialIds& special) {
  const auto is_sentinel = [&](int64_t id) {
    return id <= special.first_sentinel && id > special.first_sentinel - 100;
  };
  Ids result;
  for (const int64_t id : example.input) {
    if (id == special.eos) break;
    if (!is_sentinel(id)) {
      result.push_back(id);
      continue;
    }
    auto at = std::find(example.target.begin(), example.target.end(), id);
    EXPECT_NE(at, example.target.end());
    for (++at; at != example.target.end() && *at != special.eos && !is_sentinel(*at); ++at) result.push_back(*at);
  }
  return result;
}

TEST(CorruptSpans, InputAndTargetTogetherAreTheText) {
  const SpecialIds special;
  Random random(5);
  for (int64_t n = 2; n <= 600; ++n) {
    const Ids ids = raw_ids(n);
    const EncodedExample example = corrupt_spans(ids, 0.15, 3, special, random);
    ASSERT_EQ(restored(example, special), ids) << n;
    Ids sentinels;  // of the input; those of the target are the same in the same order
    for (const int64_t id : example.input) {
      if (id > 31999) sentinels.push_back(id);
    }
    Ids of_target;
    for (const int64_t id : example.target) {
      if (id > 31999) of_target.push_back(id);
    }
    ASSERT_EQ(sentinels, of_target);
    for (std::size_t k = 0; k < sentinels.size(); ++k) ASSERT_EQ(sentinels[k], 32099 - static_cast<int64_t>(k));
    ASSERT_EQ(example.input.back(), 1);
    ASSERT_EQ(example.target.back(), 1);
    ASSERT_EQ(example.target.front(), 32099);
    // T5's code, unlike its paper, writes no sentinel after the last span.
    ASSERT_LT(example.target[example.target.size() - 2], 32000);
  }
}

TEST(CorruptSpans, ASegmentOfTheRightLengthFillsItsInput) {
  Random random(5);
  for (int64_t inputs = 4; inputs <= 600; ++inputs) {
    const SpanLengths lengths = span_lengths(inputs, 0.15, 3);
    const EncodedExample example = corrupt_spans(raw_ids(lengths.raw), 0.15, 3, {}, random);
    ASSERT_LE(example.input.size(), static_cast<std::size_t>(inputs));
    ASSERT_GE(example.input.size() + 1, static_cast<std::size_t>(inputs)) << "a longer segment would fit";
    ASSERT_EQ(example.target.size(), static_cast<std::size_t>(lengths.targets)) << inputs;
  }
}

TEST(CorruptSpans, OfOneTokenAsksForNothing) {
  Random random(5);
  const EncodedExample example = corrupt_spans(Ids{42}, 0.15, 3, {}, random);
  EXPECT_EQ(example.input, (Ids{42, 1}));
  EXPECT_EQ(example.target, (Ids{32099, 1}));
}

TEST(CorruptSpans, RefuseMoreSpansThanSentinels) {
  Random random(5);
  EXPECT_NO_THROW(corrupt_spans(raw_ids(666), 0.15, 1, {}, random));  // 100 spans
  try {
    corrupt_spans(raw_ids(674), 0.15, 1, {}, random);  // 101
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("101 spans"));
    EXPECT_THAT(error.what(), testing::HasSubstr("larger mean span"));
  }
}

}  // namespace
}  // namespace peftbench::span_corruption_test
