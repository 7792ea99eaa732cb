#include "devices/arithmetic.h"
#include "support/layers.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace peftbench::arithmetic_test {

using namespace layers;

namespace {

TEST(Arithmetic, OfTheCpuIsLeftAsItIs) {
  ::unsetenv("CUBLAS_WORKSPACE_CONFIG");
  use_arithmetic(c10::kCPU, {.tf32 = true, .deterministic = true});
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms());
  EXPECT_EQ(std::getenv("CUBLAS_WORKSPACE_CONFIG"), nullptr);
}

TEST(Arithmetic, OfAGpuIsExactAndDeterministicUnlessAskedOtherwise) {
  const c10::Device gpu(c10::kCUDA, 0);
  at::Context& torch = at::globalContext();
  ::unsetenv("CUBLAS_WORKSPACE_CONFIG");
  use_arithmetic(gpu, {});
  EXPECT_FALSE(torch.allowTF32CuBLAS());
  EXPECT_FALSE(torch.allowTF32CuDNN());
  EXPECT_TRUE(torch.deterministicAlgorithms());
  EXPECT_FALSE(torch.deterministicAlgorithmsWarnOnly());
  EXPECT_FALSE(torch.deterministicFillUninitializedMemory());
  EXPECT_EQ(std::getenv("CUBLAS_WORKSPACE_CONFIG"), std::string(":4096:8"));

  use_arithmetic(gpu, {.tf32 = true, .deterministic = false});
  EXPECT_TRUE(torch.allowTF32CuBLAS());
  EXPECT_TRUE(torch.allowTF32CuDNN());
  EXPECT_FALSE(torch.deterministicAlgorithms());
}

}  // namespace
}  // namespace peftbench::arithmetic_test
