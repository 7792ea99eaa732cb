#include "backbone/kernels/matrix_product.h"

#include <algorithm>

// BLAS's, by column. LibTorch's wheels export MKL's; where a build does not, products are made below.
extern "C" __attribute__((weak)) void sgemm_(const char* transa, const char* transb, const int* m, const int* n,
                                             const int* k, const float* alpha, const float* a, const int* lda,
                                             const float* b, const int* ldb, const float* beta, float* c,
                                             const int* ldc);

namespace peftbench::backbone::kernels {
namespace {

float at(const MatrixView& m, std::int64_t row, std::int64_t column) {
  return m.transposed ? m.data[column * m.stride + row] : m.data[row * m.stride + column];
}

}  // namespace

void multiply(std::int64_t m, std::int64_t n, std::int64_t k, float factor, MatrixView a, MatrixView b, bool add,
              float* c, std::int64_t c_stride) {
  if (m == 0 || n == 0) return;
  if (sgemm_ != nullptr) {
    // By column, a row-major matrix is its transpose: Cᵀ = Bᵀ Aᵀ.
    const int rows = static_cast<int>(n), columns = static_cast<int>(m), inner = static_cast<int>(k);
    const int lda = static_cast<int>(b.stride), ldb = static_cast<int>(a.stride), ldc = static_cast<int>(c_stride);
    const float beta = add ? 1.0F : 0.0F;
    sgemm_(b.transposed ? "T" : "N", a.transposed ? "T" : "N", &rows, &columns, &inner, &factor, b.data, &lda, a.data,
           &ldb, &beta, c, &ldc);
    return;
  }
  for (std::int64_t i = 0; i < m; ++i) {
    if (!add) std::fill_n(c + i * c_stride, n, 0.0F);
    for (std::int64_t l = 0; l < k; ++l) {
      const float left = factor * at(a, i, l);
      for (std::int64_t j = 0; j < n; ++j) c[i * c_stride + j] += left * at(b, l, j);
    }
  }
}

}  // namespace peftbench::backbone::kernels
