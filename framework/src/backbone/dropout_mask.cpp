#include "backbone/dropout_mask.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>

#include <cmath>

namespace peftbench::backbone {
namespace {

// Two rounds of a 32-bit mixer (Wellons' search of such functions, "lowbias32" of 2022). Factors below 2^31, so that a
// product with 32 bits fits a signed 64-bit integer, which all devices have.
constexpr std::uint32_t factors[] = {0x21f0aaadU, 0x735a2d97U};

constexpr std::uint32_t mixed(std::uint32_t h) {
  h ^= h >> 16U;
  h *= factors[0];
  h ^= h >> 15U;
  h *= factors[1];
  return h ^ h >> 15U;
}

constexpr std::int64_t word = 0xffffffff;

Tensor mixed(Tensor h) {
  h = h.bitwise_xor(h.bitwise_right_shift(16)).mul(static_cast<std::int64_t>(factors[0])).bitwise_and(word);
  h = h.bitwise_xor(h.bitwise_right_shift(15)).mul(static_cast<std::int64_t>(factors[1])).bitwise_and(word);
  return h.bitwise_xor(h.bitwise_right_shift(15));
}

struct Keys {
  std::uint32_t low, high;
};

Tensor by_operators(std::int64_t count, std::int64_t threshold, Keys keys, float kept, c10::Device device) {
  const Tensor places = at::arange(count, at::TensorOptions(at::kLong).device(device));
  const Tensor first = mixed(places.bitwise_and(word).bitwise_xor(static_cast<std::int64_t>(keys.low)));
  const Tensor upper = places.bitwise_right_shift(32).bitwise_xor(static_cast<std::int64_t>(keys.high));
  return mixed(first.add(upper).bitwise_and(word)).ge(threshold).to(at::kFloat).mul(kept);
}

Tensor on_cpu(std::int64_t count, std::int64_t threshold, Keys keys, float kept) {
  const Tensor out = at::empty({count}, at::kFloat);
  float* values = out.mutable_data_ptr<float>();
  at::parallel_for(0, count, 1 << 15, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const auto place = static_cast<std::uint64_t>(i);
      const std::uint32_t upper = static_cast<std::uint32_t>(place >> 32U) ^ keys.high;
      const std::uint32_t bits = mixed(mixed(static_cast<std::uint32_t>(place) ^ keys.low) + upper);
      values[i] = static_cast<std::int64_t>(bits) >= threshold ? kept : 0.0F;
    }
  });
  return out;
}

}  // namespace

Tensor dropout_mask(at::IntArrayRef sizes, double p, std::uint64_t key, c10::Device device) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  const auto threshold = static_cast<std::int64_t>(std::llround(std::ldexp(p, 32)));
  const Keys keys{static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32U)};
  const auto kept = static_cast<float>(1 / (1 - p));
  return (device.is_cpu() ? on_cpu(count, threshold, keys, kept) : by_operators(count, threshold, keys, kept, device))
      .view(sizes);
}

}  // namespace peftbench::backbone
