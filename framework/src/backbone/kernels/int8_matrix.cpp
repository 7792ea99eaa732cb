#include "backbone/kernels/int8_matrix.h"

#include "backbone/kernels/row_math.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_int_mm.h>
#include <ATen/ops/empty.h>

#include <utility>

namespace peftbench::backbone::kernels {
namespace {

struct Rounded {
  Tensor codes;   // [N, C] int8
  Tensor scales;  // [N]
};

Rounded rounded(const Tensor& given) {
  const Tensor x = given.contiguous();
  const std::int64_t columns = x.size(1);
  Rounded out{at::empty(x.sizes(), at::kChar), at::empty({x.size(0)}, at::kFloat)};
  const float* values = x.const_data_ptr<float>();
  auto* codes = out.codes.mutable_data_ptr<std::int8_t>();
  float* scales = out.scales.mutable_data_ptr<float>();
  at::parallel_for(0, x.size(0), 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row)
      scales[row] = quantize_row(values + row * columns, codes + row * columns, columns);
  });
  return out;
}

}  // namespace

Int8Matrix::Int8Matrix(const Tensor& codes, Tensor scales)
    : columns_(codes.t().contiguous()), scales_(std::move(scales)) {}

Int8Matrix Int8Matrix::of(const Tensor& matrix) {
  Rounded rows = rounded(matrix);
  return {rows.codes, std::move(rows.scales)};
}

Tensor Int8Matrix::multiply(const Tensor& x) const {
  const Rounded rows = rounded(x);
  const Tensor sums = at::_int_mm(rows.codes, columns_), out = at::empty(sums.sizes(), at::kFloat);
  const std::int64_t columns = sums.size(1);
  const auto* all = sums.const_data_ptr<std::int32_t>();
  const float *factors = rows.scales.const_data_ptr<float>(), *scales = scales_.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  at::parallel_for(0, sums.size(0), 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row)
      scale_sums_row(all + row * columns, factors[row], scales, to + row * columns, columns);
  });
  return out;
}

std::int64_t Int8Matrix::bytes() const { return static_cast<std::int64_t>(columns_.nbytes() + scales_.nbytes()); }

}  // namespace peftbench::backbone::kernels
