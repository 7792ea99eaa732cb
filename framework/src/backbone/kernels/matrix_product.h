#pragma once

#include <cstdint>

namespace peftbench::backbone::kernels {

// A row-major fp32 matrix within another.
struct MatrixView {
  const float* data;
  std::int64_t stride;      // from row to row
  bool transposed = false;  // what is meant is its transpose
};

// C [m, n] = factor · A [m, k] B [k, n] + (add ? C : 0), by the BLAS that LibTorch contains, on the calling thread
// where that is one of a parallel region.
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, float factor, MatrixView a, MatrixView b, bool add,
              float* c, std::int64_t c_stride);

}  // namespace peftbench::backbone::kernels
