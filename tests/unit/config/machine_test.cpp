#include "config/machine.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <malloc.h>

#include <cstdlib>

namespace peftbench::machine_test {

using namespace layers;

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

TEST(DescribeMachine, TellsItsSizes) {
  const RunRecord::Machine machine = describe_machine(3, c10::kCPU);
  EXPECT_EQ(machine.threads, 3);
  EXPECT_EQ(machine.device, "cpu");
  EXPECT_EQ(machine.device_name + machine.driver, "");
  EXPECT_FALSE(machine.device_memory_bytes);
  ASSERT_TRUE(machine.cores && machine.usable_cores && machine.memory_bytes);
  EXPECT_GE(*machine.usable_cores, 1);
  EXPECT_LE(*machine.usable_cores, *machine.cores);
  EXPECT_GT(*machine.memory_bytes, 64 << 20);
  EXPECT_EQ(machine.kernel.rfind("Linux ", 0), 0u);
  EXPECT_NE(machine.compiler.find_first_of("0123456789"), std::string::npos);
}

// A tree is clean or not only where there is a commit.
TEST(DescribeProgram, TellsTheCommitWhereThereIsOne) {
  const RunRecord::Program program = describe_program();
  EXPECT_FALSE(program.peftbench.empty());
  EXPECT_FALSE(program.torch.empty());
  if (program.commit)
    EXPECT_EQ(program.commit->find_first_not_of("0123456789abcdef"), std::string::npos);
  else
    EXPECT_FALSE(program.clean);
}

}  // namespace
}  // namespace peftbench::machine_test
