#include "core/clock.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace peftbench::clock_test {

using namespace layers;

namespace {

TEST(Clock, SleepingTakesWallTimeButNoProcessor) {
  const Stopwatch watch;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_GE(watch.wall_seconds(), 0.049);
  EXPECT_LT(watch.cpu_seconds(), 0.04);
}

TEST(Clock, CountsTheProcessorTimeOfThreads) {
  const Stopwatch watch;
  std::thread worker([&] {
    while (watch.cpu_seconds() < 0.02) {
    }
  });
  worker.join();
  EXPECT_GE(watch.cpu_seconds(), 0.02);
}

TEST(Clock, SeesThePeakAfterItIsOver) {
  const std::int64_t before = peak_memory_bytes();
  EXPECT_GT(before, 0);
  {
    std::vector<char> large(200 << 20);
    for (std::size_t i = 0; i < large.size(); i += 4096) large[i] = static_cast<char>(i >> 12 | 1);
    EXPECT_NE(large[4096 * 7], 0);
  }
  EXPECT_GE(peak_memory_bytes(), before / 2 + (100 << 20));
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer keeps freed memory for a while";
#endif
  const std::int64_t peak = peak_memory_bytes();
  if (!reset_peak_memory()) GTEST_SKIP() << "this kernel does not reset the peak";
  EXPECT_LT(peak_memory_bytes(), peak - (100 << 20));
}

}  // namespace
}  // namespace peftbench::clock_test
