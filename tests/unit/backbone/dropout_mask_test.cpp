// tests/device compares the masks of another device with these.
#include "backbone/dropout_mask.h"
#include "core/random.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace peftbench::dropout_mask_test {

using namespace layers;

namespace {

constexpr std::int64_t many = 1 << 20;

Tensor mask(double p, std::uint64_t key) { return dropout_mask({many}, p, key, c10::kCPU); }

// Correlation of which entries stay; of independent ones within 5/√n.
double correlation(const Tensor& a, const Tensor& b) {
  const Tensor x = a - a.mean(), y = b - b.mean();
  return ((x * y).mean() / (x.square().mean() * y.square().mean()).sqrt()).item<double>();
}

TEST(DropoutMask, DropsAtItsRateAndScalesTheRest) {
  for (const double p : {0.05, 0.1, 0.5, 0.9}) {
    const Tensor values = mask(p, 7);
    const double dropped = values.eq(0).to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(dropped, p, 5 * std::sqrt(p * (1 - p) / many)) << p;
    EXPECT_FLOAT_EQ(values.max().item<float>(), static_cast<float>(1 / (1 - p)));
  }
}

TEST(DropoutMask, EntriesAndKeysAreIndependent) {
  const double bound = 5 / std::sqrt(static_cast<double>(many));
  const Tensor first = mask(0.1, 1);
  for (const std::int64_t lag : {1, 2, 7, 64, 512, 4096})
    EXPECT_LT(std::abs(correlation(first.narrow(0, 0, many - lag), first.narrow(0, lag, many - lag))), bound) << lag;
  for (const std::uint64_t key : {std::uint64_t{2}, std::uint64_t{1} << 32U, stream_seed(1, "mask", 1)})
    EXPECT_LT(std::abs(correlation(first, mask(0.1, key))), bound) << key;
}

// By rows of 64, as a layer's units: each drops about alike (χ² of 64 counts within 5 deviations of its mean).
TEST(DropoutMask, NoUnitIsDroppedMoreOftenThanAnother) {
  const Tensor counts = mask(0.1, 3).eq(0).view({-1, 64}).to(at::kDouble).sum(0);
  const double rows = many / 64.0, expected = rows * 0.1;
  const double chi = ((counts - expected).square() / (expected * 0.9)).sum().item<double>();
  EXPECT_NEAR(chi, 64, 5 * std::sqrt(2 * 64.0));
}

TEST(DropoutMask, FollowsFromItsKey) {
  EXPECT_TRUE(mask(0.3, 11).equal(mask(0.3, 11)));
  EXPECT_TRUE(dropout_mask({4, many / 4}, 0.3, 11, c10::kCPU).view({-1}).equal(mask(0.3, 11)));
  EXPECT_FALSE(mask(0.3, 11).equal(mask(0.3, 12)));
}

}  // namespace
}  // namespace peftbench::dropout_mask_test
