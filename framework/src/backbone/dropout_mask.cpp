#include "backbone/dropout_mask.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>

#include <cmath>

namespace peftbench::backbone {
namespace {

constexpr std::int64_t word = 0xffffffff;

Tensor mixed(Tensor h) {
  h = h.bitwise_xor(h.bitwise_right_shift(16))
          .mul(static_cast<std::int64_t>(kernels::mask_factors[0]))
          .bitwise_and(word);
  h = h.bitwise_xor(h.bitwise_right_shift(15))
          .mul(static_cast<std::int64_t>(kernels::mask_factors[1]))
          .bitwise_and(word);
  return h.bitwise_xor(h.bitwise_right_shift(15));
}

Tensor by_operators(std::int64_t count, const kernels::MaskKey& key, c10::Device device) {
  const std::uint64_t low = key.key & 0xffffffffU, high = key.key >> 32U;
  const Tensor places = at::arange(count, at::TensorOptions(at::kLong).device(device));
  const Tensor first = mixed(places.bitwise_and(word).bitwise_xor(static_cast<std::int64_t>(low)));
  const Tensor upper = places.bitwise_right_shift(32).bitwise_xor(static_cast<std::int64_t>(high));
  return mixed(first.add(upper).bitwise_and(word))
      .ge(static_cast<std::int64_t>(key.threshold))
      .to(at::kFloat)
      .mul(key.kept);
}

kernels::MaskKey mask_key(double p, std::uint64_t key) {
  return {key, static_cast<std::uint64_t>(std::llround(std::ldexp(p, 32))), static_cast<float>(1 / (1 - p))};
}

}  // namespace

DropoutMask::DropoutMask(double p, std::uint64_t key) : key_(mask_key(p, key)) {}

void DropoutMask::fill(std::int64_t first_place, float* mask, std::int64_t count) const {
  kernels::mask_row(key_, static_cast<std::uint64_t>(first_place), mask, count);
}

Tensor dropout_mask(at::IntArrayRef sizes, double p, std::uint64_t key, c10::Device device) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  if (!device.is_cpu()) return by_operators(count, mask_key(p, key), device).view(sizes);
  const Tensor out = at::empty(sizes, at::kFloat);
  float* values = out.mutable_data_ptr<float>();
  const DropoutMask mask(p, key);
  at::parallel_for(0, count, 1 << 15,
                   [&](std::int64_t first, std::int64_t last) { mask.fill(first, values + first, last - first); });
  return out;
}

RowMasks::RowMasks(const DropoutMask& mask, std::int64_t columns, const std::vector<std::int64_t>& offsets)
    : mask_(mask), columns_(columns) {
  const auto sequences = static_cast<std::int64_t>(offsets.size()) - 1;
  shared_.resize(static_cast<std::size_t>(sequences * columns));
  mask.fill(0, shared_.data(), sequences * columns);
  for (std::int64_t b = 0; b < sequences; ++b)
    sequences_.resize(static_cast<std::size_t>(offsets[static_cast<std::size_t>(b) + 1]), b);
}

const float* RowMasks::of(std::int64_t row, float* buffer) const {
  if (!sequences_.empty()) return shared_.data() + sequences_[static_cast<std::size_t>(row)] * columns_;
  mask_.fill(row * columns_, buffer, columns_);
  return buffer;
}

void WeightMasks::fill(std::int64_t sequence, std::int64_t head, std::int64_t query, float* row,
                       std::int64_t count) const {
  mask.fill(((sequence * heads + head) * queries + (queries == 1 ? 0 : query)) * keys, row, count);
}

}  // namespace peftbench::backbone
