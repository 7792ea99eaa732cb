#include "backbone/kernels/frozen_matrix.h"

#include "backbone/kernels/row_math.h"

#include <peftbench/error.h>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/cpu/Utils.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace peftbench::backbone::kernels {
namespace {

constexpr std::int64_t tile_columns = 64;

// Values of a column that lie side by side, as the processor's sums of products take them.
std::int64_t group_of(at::ScalarType type) { return type == at::kFloat ? 1 : type == at::kBFloat16 ? 2 : 4; }
std::int64_t rounded_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

// The products are compiled for each number of rows; so there are few of them.
std::int64_t padded_rows(std::int64_t count) {
  for (const std::int64_t rows : {1, 2, 4, 8, 16, 32, 48})
    if (count <= rows) return rows;
  return ProductRows::most;
}

// Calls visit(first output, their number) for each tile.
template <class Visit>
void for_tiles(std::int64_t out, const Visit& visit) {
  at::parallel_for(0, (out + tile_columns - 1) / tile_columns, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t tile = from; tile < to; ++tile)
      visit(tile * tile_columns, std::min(tile_columns, out - tile * tile_columns));
  });
}

// Visits the values of W [out, in] with their places in the tiles: visit(row, column, place).
template <class Visit>
void for_places(std::int64_t out, std::int64_t in, std::int64_t group, const Visit& visit) {
  const std::int64_t depth = rounded_up(in, group);
  for_tiles(out, [&](std::int64_t first, std::int64_t columns) {
    for (std::int64_t k = 0; k < in; ++k)
      for (std::int64_t j = 0; j < columns; ++j)
        visit(first + j, k, first * depth + (k / group * columns + j) * group + k % group);
  });
}

template <class Value>
void into_tiles(const Tensor& matrix, const Tensor& tiles, std::int64_t group) {
  const auto* from = matrix.const_data_ptr<Value>();
  auto* to = tiles.mutable_data_ptr<Value>();
  const std::int64_t in = matrix.size(1);
  if (in % group == 0) {  // a group is a word of 32 bits, and a tile the transpose of its rows in such words
    for_tiles(matrix.size(0), [&](std::int64_t first, std::int64_t columns) {
      transpose_rows(reinterpret_cast<const float*>(from + first * in), in / group, columns, in / group,
                     reinterpret_cast<float*>(to + first * in), columns);
    });
    return;
  }
  for_places(matrix.size(0), in, group,
             [&](std::int64_t row, std::int64_t column, std::int64_t place) { to[place] = from[row * in + column]; });
}

template <class Value>
void out_of_tiles(const Tensor& tiles, const Tensor& matrix, std::int64_t group) {
  const auto* from = tiles.const_data_ptr<Value>();
  auto* to = matrix.mutable_data_ptr<Value>();
  const std::int64_t in = matrix.size(1);
  for_places(matrix.size(0), in, group,
             [&](std::int64_t row, std::int64_t column, std::int64_t place) { to[row * in + column] = from[place]; });
}

// Calls visit.operator()<Value>() for the C++ type.
template <class Visit>
void with_type(at::ScalarType type, const Visit& visit) {
  if (type == at::kFloat) return visit.template operator()<float>();
  if (type == at::kBFloat16) return visit.template operator()<c10::BFloat16>();
  visit.template operator()<std::int8_t>();
}

}  // namespace

bool FrozenMatrix::available(at::ScalarType type) {
  if (type == at::kFloat) return true;  // elsewhere LibTorch makes the small products by its BLAS
  return (type == at::kBFloat16 || type == at::kChar) && at::globalContext().userEnabledMkldnn() && at::hasMKLDNN() &&
         at::cpu::is_avx512_vnni_supported();
}

FrozenMatrix::FrozenMatrix(const Tensor& matrix, at::ScalarType type)
    : type_(type), in_(matrix.size(1)), out_(matrix.size(0)) {
  if (type != at::kChar) {
    pack(matrix.detach().to(type).contiguous());
    return;
  }
  const Tensor x = matrix.detach().to(at::kFloat).contiguous(), codes = at::empty(x.sizes(), at::kByte);
  scales_ = at::empty({out_}, at::kFloat);
  at::parallel_for(0, out_, 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      scales_.mutable_data_ptr<float>()[row] =
          quantize_row(x.const_data_ptr<float>() + row * in_, codes.mutable_data_ptr<std::uint8_t>() + row * in_, in_);
    }
  });
  pack(codes.to(at::kShort).sub_(code_offset).to(at::kChar));
}

FrozenMatrix::FrozenMatrix(const Tensor& codes, Tensor scales)
    : type_(at::kChar), in_(codes.size(1)), out_(codes.size(0)), scales_(std::move(scales)) {
  pack(codes.contiguous());
}

void FrozenMatrix::pack(const Tensor& matrix) {
  if (!available(type_)) throw Error(c10::str("this processor makes no small products of ", c10::toString(type_)));
  tiles_ = at::zeros({out_ * rounded_up(in_, group_of(type_))}, matrix.options());
  with_type(type_, [&]<class Value>() { into_tiles<Value>(matrix, tiles_, group_of(type_)); });
  if (type_ == at::kChar) offsets_ = matrix.sum(1, false, at::kInt).mul_(code_offset);
}

std::int64_t FrozenMatrix::bytes() const {
  std::int64_t total = 0;
  for (const Tensor& part : {tiles_, scales_, offsets_})
    if (part.defined()) total += static_cast<std::int64_t>(part.nbytes());
  return total;
}

Tensor FrozenMatrix::values() const {
  Tensor matrix = at::empty({out_, in_}, type_);
  with_type(type_, [&]<class Value>() { out_of_tiles<Value>(tiles_, matrix, group_of(type_)); });
  return type_ == at::kChar ? matrix.to(at::kFloat) * scales_.unsqueeze(1) : matrix;
}

const FrozenMatrix& FrozenMap::transposed() const {
  std::call_once(once_, [&] { transposed_.emplace(weight_.values().t(), weight_.type()); });
  return *transposed_;
}

const FrozenMaps& FrozenMap::heads(std::int64_t heads) const {
  std::call_once(heads_once_, [&] {
    const Tensor values = weight_.values();
    for (const Tensor& part : values.chunk(heads))
      heads_.push_back(std::make_shared<const FrozenMap>(FrozenMatrix(part, weight_.type())));
  });
  return heads_;
}

void ProductRows::take(const float* x, std::int64_t stride, std::int64_t count, std::int64_t columns,
                       at::ScalarType type) {
  count_ = count;
  padded_ = padded_rows(count);
  type_ = type;
  columns_ = rounded_up(columns, group_of(type));
  if (type == at::kFloat && padded_ == count) {
    data_ = x;
    stride_ = stride;
    return;
  }
  stride_ = columns_;
  const auto width = static_cast<std::size_t>(columns_) * c10::elementSize(type);
  const std::size_t needed = width * static_cast<std::size_t>(padded_);
  if (memory_.size() < needed) memory_.resize(needed);
  data_ = memory_.data();
  for (std::int64_t i = 0; i < count; ++i) {
    const float* row = x + i * stride;
    std::byte* to = memory_.data() + static_cast<std::size_t>(i) * width;
    if (type == at::kFloat) {
      std::memcpy(to, row, width);
    } else if (type == at::kBFloat16) {
      round_row(row, reinterpret_cast<std::uint16_t*>(to), columns);
    } else {
      factors_[i] = quantize_row(row, reinterpret_cast<std::uint8_t*>(to), columns);
    }
    // The matrix has zeros there, which only what is not a number would not leave as they are.
    const auto taken = static_cast<std::size_t>(columns) * c10::elementSize(type);
    std::memset(to + taken, 0, width - taken);
  }
  std::memset(memory_.data() + static_cast<std::size_t>(count) * width, 0,
              needed - static_cast<std::size_t>(count) * width);
}

void ProductRows::multiply(const FrozenMatrix& w, float* y, std::int64_t stride, bool add) const {
  using at::native::cpublas::brgemm;
  const void* tiles = w.tiles_.const_data_ptr();
  alignas(64) float sums[most * tile_columns];
  alignas(64) std::int32_t codes[most * tile_columns];
  for (std::int64_t first = 0; first < w.out_; first += tile_columns) {
    const std::int64_t columns = std::min(tile_columns, w.out_ - first);
    const std::int64_t place = first * columns_;
    float* to = y + first;
    if (type_ == at::kChar) {
      brgemm(padded_, columns, columns_, stride_, columns, tile_columns, false,
             static_cast<const unsigned char*>(data_), static_cast<const signed char*>(tiles) + place, codes, true);
      const float* scales = w.scales_.const_data_ptr<float>() + first;
      const auto* offsets = w.offsets_.const_data_ptr<std::int32_t>() + first;
      scale_sums({codes, tile_columns, offsets, factors_, scales}, add, to, stride, count_, columns);
      continue;
    }
    // Rows that are not there may not be written.
    const bool whole = padded_ == count_;
    float* out = whole ? to : sums;
    const std::int64_t out_stride = whole ? stride : tile_columns;
    if (type_ == at::kFloat) {
      brgemm(padded_, columns, columns_, stride_, columns, out_stride, add && whole, static_cast<const float*>(data_),
             static_cast<const float*>(tiles) + place, out, false);
    } else {
      brgemm(padded_, columns, columns_, stride_, columns, out_stride, add && whole,
             static_cast<const at::BFloat16*>(data_), static_cast<const at::BFloat16*>(tiles) + place, out, true);
    }
    if (whole) continue;
    for (std::int64_t i = 0; i < count_; ++i) {
      if (add) {
        add_masked_row(to + i * stride, sums + i * tile_columns, nullptr, to + i * stride, columns);
      } else {
        std::copy_n(sums + i * tile_columns, columns, to + i * stride);
      }
    }
  }
}

}  // namespace peftbench::backbone::kernels
