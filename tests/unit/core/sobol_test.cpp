#include "core/sobol.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <set>

namespace peftbench::sobol_test {

using namespace layers;

namespace {

TEST(Sobol, IsAFunctionOfItsArguments) {
  EXPECT_EQ(sobol_point(3, 5, 1), sobol_point(3, 5, 1));
  EXPECT_NE(sobol_point(3, 5, 1), sobol_point(3, 5, 2));
  EXPECT_NE(sobol_point(3, 5, 1), sobol_point(3, 6, 1));
  EXPECT_TRUE(sobol_point(0, 5, 1).empty());
}

// The first 2^k points have one in each of 2^k equal parts of a coordinate, and in two dimensions one in each square.
TEST(Sobol, SpreadsEvenly) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::vector<std::set<int>> parts(5);
    std::set<int> squares;
    for (std::uint64_t i = 0; i < 16; ++i) {
      const std::vector<double> point = sobol_point(5, i, seed);
      for (std::size_t d = 0; d < point.size(); ++d) {
        ASSERT_GE(point[d], 0);
        ASSERT_LT(point[d], 1);
        parts[d].insert(static_cast<int>(point[d] * 16));
      }
      squares.insert(static_cast<int>(point[0] * 4) * 4 + static_cast<int>(point[1] * 4));
    }
    for (const auto& taken : parts) EXPECT_EQ(taken.size(), 16u);
    EXPECT_EQ(squares.size(), 16u);
  }
}

}  // namespace
}  // namespace peftbench::sobol_test
