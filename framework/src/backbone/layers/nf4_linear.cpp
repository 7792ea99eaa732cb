#include "backbone/layers/nf4_linear.h"

#include "backbone/layers/quantize_rows.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/stack.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace peftbench::backbone {
namespace {

constexpr std::array<float, 16> normal_float = {-1.0F,
                                                -0.6961928009986877F,
                                                -0.5250730514526367F,
                                                -0.39491748809814453F,
                                                -0.28444138169288635F,
                                                -0.18477343022823334F,
                                                -0.09105003625154495F,
                                                0.0F,
                                                0.07958029955625534F,
                                                0.16093020141124725F,
                                                0.24611230194568634F,
                                                0.33791524171829224F,
                                                0.44070982933044434F,
                                                0.5626170039176941F,
                                                0.7229568362236023F,
                                                1.0F};

std::int64_t divide_up(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }

std::array<float, 256> make_dynamic_codes() {
  std::vector<float> codes = {0.0F, 1.0F};
  for (int decade = 0; decade < 7; ++decade) {
    const Tensor bounds = at::linspace(0.1, 1.0, (std::int64_t{1} << decade) + 1, at::kFloat);
    const float* bound = bounds.const_data_ptr<float>();
    const auto power = static_cast<float>(std::pow(10.0, decade - 6));
    for (std::int64_t i = 0; i + 1 < bounds.numel(); ++i) {
      const float value = power * ((bound[i] + bound[i + 1]) / 2.0F);
      codes.push_back(value);
      codes.push_back(-value);
    }
  }
  std::sort(codes.begin(), codes.end());
  std::array<float, 256> table{};
  std::copy_n(codes.begin(), table.size(), table.begin());
  return table;
}

// Halfway between neighbouring codes.
template <std::size_t size>
std::array<float, size - 1> midpoints(const std::array<float, size>& codes) {
  std::array<float, size - 1> middles{};
  for (std::size_t i = 0; i + 1 < size; ++i) middles[i] = (codes[i] + codes[i + 1]) / 2.0F;
  return middles;
}

// How many of `middles` are below the value.
template <std::size_t size>
std::uint8_t place_in(const std::array<float, size>& middles, float value) {
  if constexpr (size > 16) {
    return static_cast<std::uint8_t>(std::lower_bound(middles.begin(), middles.end(), value) - middles.begin());
  } else {
    std::uint8_t place = 0;  // no branch for the processor to guess at: weights are random
    for (const float middle : middles) place = static_cast<std::uint8_t>(place + (middle < value));
    return place;
  }
}

// Values of blocks of `block` → places in `middles`, and each block's largest magnitude.
template <std::size_t size>
void nearest_codes(const float* values, std::int64_t count, std::int64_t block, const std::array<float, size>& middles,
                   std::uint8_t* codes, float* scales) {
  at::parallel_for(0, divide_up(count, block), 64, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; ++b) {
      const std::int64_t start = b * block, end = std::min(count, start + block);
      scales[b] = largest_magnitude(values + start, end - start);
      const float inverse = 1.0F / std::max(scales[b], least_scale);
      for (std::int64_t i = start; i < end; ++i)
        codes[i] = place_in(middles, std::clamp(values[i] * inverse, -1.0F, 1.0F));
    }
  });
}

Tensor bytes_of(std::int64_t count) { return at::empty({count}, at::kByte); }
Tensor floats_of(std::int64_t count) { return at::empty({count}, at::kFloat); }

// Each byte of two codes as the pair of their values: one look-up for two weights.
std::array<std::array<float, 2>, 256> make_pairs() {
  std::array<std::array<float, 2>, 256> pairs{};
  for (std::size_t byte = 0; byte < pairs.size(); ++byte)
    pairs[byte] = {normal_float[byte >> 4], normal_float[byte & 15U]};
  return pairs;
}

template <class T>
void dequantize_into(const std::vector<Tensor>& parts, Tensor& out) {
  static const auto pairs = make_pairs();
  const std::span<const float> dynamic = dynamic_codes();
  const auto* codes = parts[0].const_data_ptr<std::uint8_t>();
  const auto* scales = parts[1].const_data_ptr<std::uint8_t>();
  const float* scale_scales = parts[2].const_data_ptr<float>();
  const float mean = *parts[3].const_data_ptr<float>();
  T* values = out.mutable_data_ptr<T>();
  const std::int64_t count = out.numel();
  at::parallel_for(0, parts[1].numel(), 512, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; ++b) {
      const float scale = dynamic[scales[b]] * scale_scales[b / Nf4Linear::scale_block] + mean;
      const std::int64_t start = b * Nf4Linear::block, end = std::min(count, start + Nf4Linear::block);
      for (std::int64_t i = start; i + 1 < end; i += 2) {
        const auto& pair = pairs[codes[i / 2]];
        values[i] = static_cast<T>(pair[0] * scale);
        values[i + 1] = static_cast<T>(pair[1] * scale);
      }
      if (end % 2) values[end - 1] = static_cast<T>(pairs[codes[end / 2]][0] * scale);
    }
  });
}

Tensor table_on(std::span<const float> values, const Tensor& like) {
  return at::from_blob(const_cast<float*>(values.data()), {static_cast<std::int64_t>(values.size())}, at::kFloat)
      .to(like.device(), at::kFloat, false, true);
}

// The same with operators that every device has.
Tensor by_look_up(const std::vector<Tensor>& parts, const Shape& shape, at::ScalarType type) {
  const Tensor &codes = parts[0], &scales = parts[1];
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  const auto spread = [](const Tensor& values, std::int64_t each, std::int64_t total) {
    return values.unsqueeze(1).expand({values.size(0), each}).reshape({-1}).narrow(0, 0, total);
  };
  const Tensor both = at::stack({codes.bitwise_right_shift(4), codes.bitwise_and(15)}, 1).reshape({-1});
  const Tensor values = table_on(nf4_codes(), codes).index_select(0, both.narrow(0, 0, count).to(at::kLong));
  const Tensor scale = table_on(dynamic_codes(), codes).index_select(0, scales.to(at::kLong)) *
                           spread(parts[2], Nf4Linear::scale_block, scales.numel()) +
                       parts[3];
  return (values * spread(scale, Nf4Linear::block, count)).reshape(shape).to(type);
}

}  // namespace

Nf4Linear::Nf4Linear(const Tensor& weight, at::ScalarType arithmetic, c10::Device device)
    : QuantizedLinear(arithmetic), shape_(weight.sizes().vec()) {
  static const auto middles = midpoints(normal_float);
  const std::int64_t count = weight.numel(), blocks = divide_up(count, block);
  // What stays comes first, so that what is thrown away leaves no holes between one weight and the next.
  codes_ = bytes_of(divide_up(count, 2));
  scales_ = bytes_of(blocks);
  scale_scales_ = floats_of(divide_up(blocks, scale_block));
  const Tensor scales = floats_of(blocks), wide = bytes_of(count + count % 2);
  auto* codes = wide.mutable_data_ptr<std::uint8_t>();
  nearest_codes(weight.const_data_ptr<float>(), count, block, middles, codes, scales.mutable_data_ptr<float>());
  if (count % 2) codes[count] = 7;  // the code of 0 fills the last byte

  auto* packed = codes_.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < codes_.numel(); ++i)
    packed[i] = static_cast<std::uint8_t>(codes[2 * i] << 4 | codes[2 * i + 1]);

  static const auto dynamic_middles = [] {
    std::array<float, 256> table{};
    std::ranges::copy(dynamic_codes(), table.begin());
    return midpoints(table);
  }();
  // One after another in double: ATen's sum depends on the number of threads, and the checksum must not.
  double sum = 0;
  for (std::int64_t b = 0; b < blocks; ++b) sum += scales.const_data_ptr<float>()[b];
  scale_mean_ = floats_of(1).fill_(static_cast<float>(sum / static_cast<double>(blocks)));
  const Tensor centred = scales - scale_mean_;
  nearest_codes(centred.const_data_ptr<float>(), blocks, scale_block, dynamic_middles,
                scales_.mutable_data_ptr<std::uint8_t>(), scale_scales_.mutable_data_ptr<float>());
  for (Tensor* part : {&codes_, &scales_, &scale_scales_, &scale_mean_}) *part = part->to(device);
}

std::string Nf4Linear::form() const { return std::string(enum_name(Quantization::nf4)); }

Tensor Nf4Linear::dequantize(at::ScalarType type) const {
  if (!codes_.is_cpu()) return by_look_up(parts(), shape_, type);
  Tensor out = at::empty(shape_, type);
  if (type == at::kBFloat16)
    dequantize_into<c10::BFloat16>(parts(), out);
  else
    dequantize_into<float>(parts(), out);
  return out;
}

std::span<const float> nf4_codes() { return normal_float; }

std::span<const float> dynamic_codes() {
  static const std::array<float, 256> codes = make_dynamic_codes();
  return codes;
}

}  // namespace peftbench::backbone
