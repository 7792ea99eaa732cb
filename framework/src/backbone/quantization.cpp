#include "backbone/quantization.h"

#include <peftbench/error.h>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linspace.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

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

// Below this, a block counts as all zeros: its inverse would be infinite.
constexpr float least_scale = 1e-38F;

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

float largest(const float* values, std::int64_t count) {
  float most = 0;
  for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::fabs(values[i]));
  return most;
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
      scales[b] = largest(values + start, end - start);
      const float inverse = 1.0F / std::max(scales[b], least_scale);
      for (std::int64_t i = start; i < end; ++i)
        codes[i] = place_in(middles, std::clamp(values[i] * inverse, -1.0F, 1.0F));
    }
  });
}

Tensor bytes_of(std::int64_t count) { return at::empty({count}, at::kByte); }
Tensor floats_of(std::int64_t count) { return at::empty({count}, at::kFloat); }

void quantize_nf4(const Tensor& weight, QuantizedWeight& result) {
  static const auto middles = midpoints(normal_float);
  const std::int64_t count = weight.numel(), blocks = divide_up(count, nf4_block);
  // What stays comes first, so that what is thrown away leaves no holes between one weight and the next.
  result.codes = bytes_of(divide_up(count, 2));
  result.scales = bytes_of(blocks);
  result.scale_scales = floats_of(divide_up(blocks, nf4_scale_block));
  const Tensor scales = floats_of(blocks), wide = bytes_of(count + count % 2);
  auto* codes = wide.mutable_data_ptr<std::uint8_t>();
  nearest_codes(weight.const_data_ptr<float>(), count, nf4_block, middles, codes, scales.mutable_data_ptr<float>());
  if (count % 2) codes[count] = 7;  // the code of 0 fills the last byte

  auto* packed = result.codes.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < result.codes.numel(); ++i)
    packed[i] = static_cast<std::uint8_t>(codes[2 * i] << 4 | codes[2 * i + 1]);

  static const auto dynamic_middles = [] {
    std::array<float, 256> table{};
    std::ranges::copy(dynamic_codes(), table.begin());
    return midpoints(table);
  }();
  // One after another in double: ATen's sum depends on the number of threads, and the checksum must not.
  double sum = 0;
  for (std::int64_t b = 0; b < blocks; ++b) sum += scales.const_data_ptr<float>()[b];
  result.scale_mean = floats_of(1).fill_(static_cast<float>(sum / static_cast<double>(blocks)));
  const Tensor centred = scales - result.scale_mean;
  nearest_codes(centred.const_data_ptr<float>(), blocks, nf4_scale_block, dynamic_middles,
                result.scales.mutable_data_ptr<std::uint8_t>(), result.scale_scales.mutable_data_ptr<float>());
}

void quantize_int8(const Tensor& weight, QuantizedWeight& result) {
  const std::int64_t rows = weight.size(0), columns = weight.size(1);
  result.codes = at::empty({rows, columns}, at::kChar);
  result.scales = floats_of(rows);
  const float* values = weight.const_data_ptr<float>();
  auto* codes = result.codes.mutable_data_ptr<std::int8_t>();
  float* scales = result.scales.mutable_data_ptr<float>();
  at::parallel_for(0, rows, 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const float most = largest(values + row * columns, columns);
      scales[row] = most / 127.0F;
      // In double, so that the nearest code does not depend on the order of the roundings.
      const double divisor = std::max(most, least_scale);
      for (std::int64_t i = row * columns; i < (row + 1) * columns; ++i)
        codes[i] = static_cast<std::int8_t>(std::nearbyint(static_cast<double>(values[i]) * 127.0 / divisor));
    }
  });
}

// Each byte of two codes as the pair of their values: one look-up for two weights.
std::array<std::array<float, 2>, 256> make_pairs() {
  std::array<std::array<float, 2>, 256> pairs{};
  for (std::size_t byte = 0; byte < pairs.size(); ++byte)
    pairs[byte] = {normal_float[byte >> 4], normal_float[byte & 15U]};
  return pairs;
}

template <class T>
void dequantize_nf4(const QuantizedWeight& weight, Tensor& out) {
  static const auto pairs = make_pairs();
  const std::span<const float> dynamic = dynamic_codes();
  const auto* codes = weight.codes.const_data_ptr<std::uint8_t>();
  const auto* scales = weight.scales.const_data_ptr<std::uint8_t>();
  const float* scale_scales = weight.scale_scales.const_data_ptr<float>();
  const float mean = *weight.scale_mean.const_data_ptr<float>();
  T* values = out.mutable_data_ptr<T>();
  const std::int64_t count = out.numel();
  at::parallel_for(0, weight.scales.numel(), 512, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; ++b) {
      const float scale = dynamic[scales[b]] * scale_scales[b / nf4_scale_block] + mean;
      const std::int64_t start = b * nf4_block, end = std::min(count, start + nf4_block);
      for (std::int64_t i = start; i + 1 < end; i += 2) {
        const auto& pair = pairs[codes[i / 2]];
        values[i] = static_cast<T>(pair[0] * scale);
        values[i + 1] = static_cast<T>(pair[1] * scale);
      }
      if (end % 2) values[end - 1] = static_cast<T>(pairs[codes[end / 2]][0] * scale);
    }
  });
}

template <class T>
void dequantize_int8(const QuantizedWeight& weight, Tensor& out) {
  const auto* codes = weight.codes.const_data_ptr<std::int8_t>();
  const float* scales = weight.scales.const_data_ptr<float>();
  T* values = out.mutable_data_ptr<T>();
  const std::int64_t columns = weight.shape[1];
  at::parallel_for(0, weight.shape[0], 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      for (std::int64_t i = row * columns; i < (row + 1) * columns; ++i)
        values[i] = static_cast<T>(static_cast<float>(codes[i]) * scales[row]);
    }
  });
}

template <class T>
Tensor dequantize_as(const QuantizedWeight& weight, at::ScalarType type) {
  Tensor out = at::empty(weight.shape, type);
  if (weight.kind == Quantization::nf4) {
    dequantize_nf4<T>(weight, out);
  } else {
    dequantize_int8<T>(weight, out);
  }
  return out;
}

}  // namespace

std::span<const float> nf4_codes() { return normal_float; }

std::span<const float> dynamic_codes() {
  static const std::array<float, 256> codes = make_dynamic_codes();
  return codes;
}

std::int64_t QuantizedWeight::bytes() const {
  std::int64_t total = 0;
  for (const Tensor& part : parts()) total += part.defined() ? static_cast<std::int64_t>(part.nbytes()) : 0;
  return total;
}

std::shared_ptr<const QuantizedWeight> quantize(const Tensor& weight, Quantization kind) {
  if (kind == Quantization::none || weight.dim() != 2)
    throw Error("quantize() needs a matrix and a kind other than none");
  auto result = std::make_shared<QuantizedWeight>();
  result->kind = kind;
  result->shape = weight.sizes().vec();
  const Tensor values = weight.detach().to(at::kFloat).contiguous();
  if (kind == Quantization::nf4) {
    quantize_nf4(values, *result);
  } else {
    quantize_int8(values, *result);
  }
  return result;
}

Tensor dequantize(const QuantizedWeight& weight, at::ScalarType type) {
  return type == at::kBFloat16 ? dequantize_as<c10::BFloat16>(weight, type) : dequantize_as<float>(weight, at::kFloat);
}

}  // namespace peftbench::backbone
