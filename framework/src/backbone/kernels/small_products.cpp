#include "backbone/kernels/small_products.h"

#include "backbone/kernels/row_math.h"

#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <utility>

namespace peftbench::backbone::kernels {

ReleasesTiles::~ReleasesTiles() { at::native::cpublas::brgemm_release(); }

void SmallMatrix::start(std::int64_t rows, std::int64_t columns) {
  rows_ = in_steps(rows);
  columns_ = in_steps(columns);
  stride_ = columns_;
  // Of equal sizes the same places are written, and the others are zeros already.
  if (std::pair(own_rows_, own_columns_) != std::pair(rows, columns))
    memory_.assign(static_cast<std::size_t>(rows_ * columns_) * c10::elementSize(type_), std::byte{0});
  own_rows_ = rows;
  own_columns_ = columns;
  data_ = memory_.data();
}

void LeftMatrix::take(const MatrixView& x) {
  start(x.rows, x.columns);
  for (std::int64_t i = 0; i < x.rows; ++i) {
    if (type_ == at::kFloat) {
      std::copy_n(x.data + i * x.stride, x.columns, this->at<float>(i * stride_));
    } else {
      round_row(x.data + i * x.stride, this->at<std::uint16_t>(i * stride_), x.columns);
    }
  }
}

void LeftMatrix::take_transposed(const MatrixView& x) {
  start(x.columns, x.rows);
  if (type_ == at::kFloat) {
    transpose_rows(x.data, x.stride, x.rows, x.columns, this->at<float>(0), stride_);
    return;
  }
  // Pairs of a column's values are words of 32 bits, which are transposed as such.
  const std::int64_t words = (x.rows + 1) / 2;
  buffer_.resize(static_cast<std::size_t>(words * x.columns));
  for (std::int64_t i = 0; i < words; ++i) {
    const float* row = x.data + 2 * i * x.stride;
    pair_rows(row, 2 * i + 1 < x.rows ? row + x.stride : nullptr,
              reinterpret_cast<std::uint32_t*>(buffer_.data() + i * x.columns), x.columns);
  }
  transpose_rows(buffer_.data(), x.columns, words, x.columns, this->at<float>(0), stride_ / 2);
}

void LeftMatrix::borrow(const MatrixView& x) {
  if (type_ != at::kFloat) {
    take(x);
    return;
  }
  rows_ = in_steps(x.rows);
  columns_ = in_steps(x.columns);
  stride_ = x.stride;
  data_ = x.data;
}

void RightMatrix::take(const MatrixView& x) {
  start(x.rows, x.columns);
  if (type_ == at::kFloat) {
    for (std::int64_t i = 0; i < x.rows; ++i)
      std::copy_n(x.data + i * x.stride, x.columns, this->at<float>(i * stride_));
    return;
  }
  // Two rows side by side, value by value.
  for (std::int64_t i = 0; i < x.rows; i += 2) {
    const float* row = x.data + i * x.stride;
    pair_rows(row, i + 1 < x.rows ? row + x.stride : nullptr, this->at<std::uint32_t>(i / 2 * stride_), x.columns);
  }
}

void RightMatrix::take_transposed(const MatrixView& x) {
  start(x.columns, x.rows);
  if (type_ == at::kFloat) {
    transpose_rows(x.data, x.stride, x.rows, x.columns, this->at<float>(0), stride_);
    return;
  }
  // Pairs of a row's values are words of 32 bits, which are transposed as such.
  const std::int64_t words = (x.columns + 1) / 2;
  buffer_.assign(static_cast<std::size_t>(x.rows * words), 0.0F);
  for (std::int64_t i = 0; i < x.rows; ++i)
    round_row(x.data + i * x.stride, reinterpret_cast<std::uint16_t*>(buffer_.data() + i * words), x.columns);
  transpose_rows(buffer_.data(), words, x.rows, words, this->at<float>(0), stride_);
}

void RightMatrix::borrow(const MatrixView& x) {
  if (type_ != at::kFloat || x.rows % step != 0 || x.columns % step != 0) {
    take(x);
    return;
  }
  rows_ = x.rows;
  columns_ = x.columns;
  stride_ = x.stride;
  data_ = x.data;
}

void multiply(const LeftMatrix& a, const RightMatrix& b, bool add, float* c, std::int64_t stride) {
  using at::native::cpublas::brgemm;
  const std::int64_t m = a.rows_, n = b.columns_, k = a.columns_;
  if (a.type_ == at::kFloat) {
    brgemm(m, n, k, a.stride_, b.stride_, stride, add, static_cast<const float*>(a.data_),
           static_cast<const float*>(b.data_), c, false);
  } else {
    brgemm(m, n, k, a.stride_, b.stride_, stride, add, static_cast<const at::BFloat16*>(a.data_),
           static_cast<const at::BFloat16*>(b.data_), c, true);
  }
}

}  // namespace peftbench::backbone::kernels
