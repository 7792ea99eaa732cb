#include "devices/arithmetic.h"

#include <ATen/Context.h>

#include <cstdlib>

namespace peftbench::devices {

void use_arithmetic(c10::Device device, const Arithmetic& arithmetic) {
  if (device.is_cpu()) return;
  at::Context& torch = at::globalContext();
  torch.setAllowTF32CuBLAS(arithmetic.tf32);
  torch.setAllowTF32CuDNN(arithmetic.tf32);  // LibTorch's default is true: an LSTM's products
  torch.setDeterministicAlgorithms(arithmetic.deterministic, /*warn_only=*/false);
  torch.setDeterministicCuDNN(arithmetic.deterministic);
  torch.setBenchmarkCuDNN(false);  // it chooses an algorithm by its time
  // It would write NaN into each new tensor, for programs that read what they never wrote.
  torch.setDeterministicFillUninitializedMemory(false);
  // cuBLAS gives the same bits only with a workspace of a fixed size, and reads this when it is first used.
  if (arithmetic.deterministic) ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*replace=*/0);
}

}  // namespace peftbench::devices
