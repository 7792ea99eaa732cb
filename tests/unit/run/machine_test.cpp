#include "run/machine.h"

#include <gtest/gtest.h>

#include <malloc.h>

#include <cstdlib>

namespace peftbench::machine_test {
namespace {

// 1 if malloc takes a large block from the system alone, and so gives it back when it is freed.
int takes_mapped_block() {
  tune_process();
  const auto before = mallinfo2().hblks;
  void* volatile block = std::malloc(64 << 20);
  const auto after = mallinfo2().hblks;
  std::free(block);
  return static_cast<int>(after - before);
}

TEST(TuneProcessDeathTest, KeepsFreedMemoryUnlessTheUserHasSetMalloc) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::exit(takes_mapped_block()), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        ::setenv("GLIBC_TUNABLES", "glibc.malloc.mmap_max=1000", 1);
        std::exit(takes_mapped_block());
      },
      testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace peftbench::machine_test
