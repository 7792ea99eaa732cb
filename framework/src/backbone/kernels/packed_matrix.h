#pragma once

#include "backbone/layer.h"

#include <peftbench/tensor.h>

#include <cstdint>

namespace peftbench::backbone::kernels {

// A frozen matrix in the order in which oneDNN multiplies by it, made once. fp32 or bf16, on the CPU.
class PackedMatrix {
 public:
  // LibTorch was built with what this needs.
  static bool available();
  explicit PackedMatrix(const Tensor& matrix);  // W [out, in]
  Tensor multiply(const Tensor& x) const;       // x [N, in] → x Wᵀ [N, out], both of the matrix's type
  Tensor unpacked() const;                      // W again, to the bit
  std::int64_t bytes() const { return bytes_; }

 private:
  Tensor packed_;  // opaque
  std::int64_t bytes_;
};

}  // namespace peftbench::backbone::kernels
