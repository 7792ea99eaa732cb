#include "devices/out_of_memory.h"
#include "support/layers.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace peftbench::out_of_memory_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(OutOfMemory, IsToldFromOtherErrors) {
  EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
  EXPECT_TRUE(is_out_of_memory(c10::OutOfMemoryError(c10::SourceLocation{"f", "file", 1}, "CUDA out of memory.")));
  EXPECT_FALSE(is_out_of_memory(c10::Error(c10::SourceLocation{"f", "file", 1}, "sizes differ")));
  EXPECT_FALSE(is_out_of_memory(std::runtime_error("cannot allocate memory")));
  try {
    (void)at::empty({std::int64_t{1} << 60}, at::kByte);
    FAIL() << "the CPU has no such memory";
  } catch (const c10::Error& error) {
    EXPECT_TRUE(is_out_of_memory(error)) << error.what();
  }
}

TEST(OutOfMemory, IsToldInOneLineWithoutATrace) {
  const c10::OutOfMemoryError cause(c10::SourceLocation{"f", "file", 1}, "CUDA out of memory. Tried 2 GiB.\nmore");
  const std::string text =
      out_of_memory({c10::kCUDA, 1}, "training step 3", cause, "memory for it", "set a smaller batch").what();
  EXPECT_THAT(text, AllOf(HasSubstr("not enough memory on cuda:1 for training step 3"), HasSubstr("Tried 2 GiB."),
                          HasSubstr("set a smaller batch"), Not(HasSubstr("more")), Not(HasSubstr("frame #"))));
  EXPECT_THAT(out_of_memory(c10::kCPU, "training step 3", std::bad_alloc(), "", "").what(),
              HasSubstr("not enough memory on the machine"));
}

}  // namespace
}  // namespace peftbench::out_of_memory_test
