#include "run/machine.h"

#include <gtest/gtest.h>

#include <malloc.h>

#include <cstdlib>

namespace peftbench::machine_test {
namespace {

// In a process of its own: how many large blocks malloc has taken from the system one by one.
int mapped_blocks() {
  tune_process();
  void* volatile block = std::malloc(64 << 20);
  const auto blocks = static_cast<int>(mallinfo2().hblks);
  std::free(block);
  return blocks;
}

TEST(TuneProcessDeathTest, KeepsFreedMemoryUnlessTheUserHasSetMalloc) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::exit(mapped_blocks()), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        ::setenv("GLIBC_TUNABLES", "glibc.malloc.mmap_max=1000", 1);
        std::exit(mapped_blocks());
      },
      testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace peftbench::machine_test
