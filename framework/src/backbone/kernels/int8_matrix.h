#pragma once

#include "backbone/layer.h"

#include <peftbench/tensor.h>

#include <cstdint>

namespace peftbench::backbone::kernels {

// A frozen matrix W [out, in] in 8 bits, a scale for each row, which multiplies in integers.
class Int8Matrix {
 public:
  // Codes [out, in] int8 and scales [out] fp32, on the CPU.
  Int8Matrix(const Tensor& codes, Tensor scales);
  static Int8Matrix of(const Tensor& matrix);  // rounded to the nearest codes
  // x Wᵀ of x [N, in] fp32, whose rows are rounded to 8 bits too → [N, out] fp32. A row that is not finite gives NaN.
  Tensor multiply(const Tensor& x) const;
  std::int64_t bytes() const;

 private:
  Tensor columns_;  // [in, out] int8, as the product reads them
  Tensor scales_;   // [out]
};

}  // namespace peftbench::backbone::kernels
