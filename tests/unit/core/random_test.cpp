#include "core/random.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace peftbench::random_test {

using namespace layers;

namespace {

// The reference sequence of SplitMix64 for seed 1234567.
TEST(Random, IsSplitMix64) {
  Random random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  EXPECT_EQ(random.next(), 9817491932198370423u);
  EXPECT_EQ(random.next(), 4593380528125082431u);
}

TEST(Random, BelowIsInRangeAndUniform) {
  Random random(7);
  std::vector<int> counts(6, 0);
  for (int i = 0; i < 60000; ++i) ++counts.at(random.below(6));
  for (const int count : counts) EXPECT_NEAR(count, 10000, 400);
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, UniformFillsTheUnitInterval) {
  Random random(8);
  double low = 1, high = 0, sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double x = random.uniform();
    low = std::min(low, x), high = std::max(high, x), sum += x;
  }
  EXPECT_GE(low, 0);
  EXPECT_LT(high, 1);
  EXPECT_LT(low, 0.01);
  EXPECT_GT(high, 0.99);
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(Random, ShuffleIsAPermutationThatTheSeedDecides) {
  std::vector<int> a(100);
  std::iota(a.begin(), a.end(), 0);
  std::vector<int> b = a, c = a;
  Random(1).shuffle(b);
  Random(1).shuffle(c);
  EXPECT_EQ(b, c);
  EXPECT_NE(a, b);
  std::sort(b.begin(), b.end());
  EXPECT_EQ(a, b);
}

TEST(Random, StreamsDifferInSeedNameAndIndex) {
  std::set<std::uint64_t> seeds;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    for (const char* name : {"", "init", "order", "dropout"}) {
      for (std::uint64_t index = 0; index < 10; ++index) seeds.insert(stream_seed(seed, name, index));
    }
  }
  EXPECT_EQ(seeds.size(), 400u);
  EXPECT_EQ(stream_seed(3, "init", 4), stream_seed(3, "init", 4));
}

}  // namespace
}  // namespace peftbench::random_test
