#include "devices/choice.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::choice_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

std::string fault(const std::string& name) {
  try {
    find_device(name, "--device");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

TEST(Device, IsFoundByItsName) {
  EXPECT_TRUE(find_device("cpu").is_cpu());
  EXPECT_EQ(name_of(c10::kCPU), "cpu");
  EXPECT_EQ(name_of({c10::kCUDA, 1}), "cuda:1");
  EXPECT_EQ(kind_of({c10::kCUDA, 1}), "cuda");
  EXPECT_THAT(available_devices(), Contains("cpu"));
  EXPECT_EQ(name_of(find_device("auto")), available_devices().size() > 1 ? "cuda:0" : "cpu");
}

TEST(Device, OfAnotherWordIsRefused) {
  for (const char* name :
       {"", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda0", "cuda:0:1", "mps", "meta"})
    EXPECT_THAT(fault(name), AllOf(HasSubstr("--device: invalid device '" + std::string(name) + "'"),
                                   HasSubstr("auto, cpu, cuda or cuda:N")));
}

TEST(Device, ThatIsNotThereIsRefusedWithThoseThatAre) {
  EXPECT_THAT(fault("cuda:99"), AllOf(HasSubstr("the device 'cuda:99' is not available"), HasSubstr("cpu")));
  EXPECT_THAT(fault("cuda:99999999999"), HasSubstr("is not available"));
}

}  // namespace
}  // namespace peftbench::choice_test
