#pragma once

#include <peftbench/tensor.h>

namespace peftbench::speed {

// A matrix in the order in which oneDNN multiplies by it, made once. fp32 or bf16, on the CPU.
class PackedMatrix {
 public:
  // LibTorch was built with what this needs.
  static bool available();
  explicit PackedMatrix(const Tensor& matrix);  // W [out, in]
  Tensor multiply(const Tensor& x) const;       // x [N, in] → x Wᵀ [N, out], both of the matrix's type

 private:
  Tensor packed_;  // opaque
};

}  // namespace peftbench::speed
