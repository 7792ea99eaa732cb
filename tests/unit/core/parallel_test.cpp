#include "core/parallel.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace peftbench::parallel_test {

using namespace layers;

namespace {

TEST(InParallel, CallsEachOnce) {
  for (const int threads : {-1, 1, 3}) {
    std::vector<std::atomic<int>> calls(1000);
    in_parallel(
        calls.size(), threads, [&](std::size_t i) { ++calls[i]; }, 7);
    for (const auto& count : calls) EXPECT_EQ(count, 1);
  }
  in_parallel(0, 4, [](std::size_t) { FAIL(); });
}

TEST(InParallel, ThrowsWhatTheFirstThrew) {
  try {
    in_parallel(
        100, 1,
        [](std::size_t i) {
          if (i >= 40) throw std::runtime_error(std::to_string(i));
        },
        4);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "40");
  }
}

}  // namespace
}  // namespace peftbench::parallel_test
