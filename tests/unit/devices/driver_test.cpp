#include "devices/driver.h"
#include "support/layers.h"
#include "support/program.h"

#include <gtest/gtest.h>

namespace peftbench::driver_test {

using namespace layers;

namespace {

// Two GPUs (fake_driver.cpp).
const std::string fake = PEFTBENCH_TEST_BUILD_DIR "/lib/libfake_cuda_driver.so";

TEST(Driver, TellsOfItsGpus) {
  const testing_support::Scratch scratch;
  const Driver driver(fake, scratch.write("version", "575.57.08\n").string());
  EXPECT_EQ(driver.devices(), 2);
  const auto second = driver.describe(1);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->name, "Imaginary 1");
  EXPECT_EQ(second->capability, "9.1");
  EXPECT_EQ(second->driver, "575.57.08 (CUDA 12.9)");
  EXPECT_EQ(second->memory_bytes, std::int64_t{2} << 30);
  EXPECT_EQ(second->has_bfloat16, true);
  EXPECT_EQ(driver.describe(0)->has_bfloat16, false) << "7.0";
  EXPECT_FALSE(driver.describe(2));
  EXPECT_FALSE(driver.describe(-1));
}

TEST(Driver, WithoutItsVersionTellsThatOfCuda) {
  EXPECT_EQ(Driver(fake, "/no/such/file").describe(0)->driver, "CUDA 12.9");
}

TEST(Driver, ThatIsNotThereHasNoGpus) {
  const Driver none("libno_such_driver.so.1");
  EXPECT_EQ(none.devices(), 0);
  EXPECT_FALSE(none.describe(0));
  EXPECT_EQ(Driver("libc.so.6").devices(), 0) << "a library without its functions";
  EXPECT_FALSE(describe(c10::kCPU));
}

}  // namespace
}  // namespace peftbench::driver_test
