#pragma once

#include "backbone/layer.h"
#include "core/enum_names.h"

#include <peftbench/tensor.h>

#include <c10/core/ScalarType.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace peftbench::backbone {

// How the linear maps of the blocks are kept. The head, embeddings, norms and relative biases never are quantised.
enum class Quantization {
  none,
  nf4,   // QLoRA's: 4 bits a weight and a scale for 64 of them, the scales in 8 bits themselves
  int8,  // 8 bits a weight and a scale for each output row
};

}  // namespace peftbench::backbone

template <>
struct peftbench::EnumNames<peftbench::backbone::Quantization> {
  static constexpr std::string_view names[] = {"none", "nf4", "int8"};
};

namespace peftbench::backbone {

inline constexpr std::int64_t nf4_block = 64;         // weights that share a scale
inline constexpr std::int64_t nf4_scale_block = 256;  // scales that share one

// A weight [out, in] in fewer bits. Const once it is made.
struct QuantizedWeight {
  Quantization kind = Quantization::none;
  Shape shape;
  // nf4: [⌈n/2⌉] bytes over the flattened weight, the first of two codes in the upper half; int8: [out, in].
  Tensor codes;
  // nf4: [⌈n/64⌉] bytes, numbers of dynamic_codes(); int8: [out], fp32.
  Tensor scales;
  Tensor scale_scales;  // nf4: [⌈⌈n/64⌉/256⌉] fp32
  Tensor scale_mean;    // nf4: [1] fp32, taken off the scales before they are quantised

  std::int64_t bytes() const;
  std::array<Tensor, 4> parts() const { return {codes, scales, scale_scales, scale_mean}; }  // some undefined
};

// Rounds to the nearest code, of two equally near to the lower. `weight` is read as fp32; `kind` is not `none`.
std::shared_ptr<const QuantizedWeight> quantize(const Tensor& weight, Quantization kind);

// [out, in] in fp32 or bf16.
Tensor dequantize(const QuantizedWeight& weight, at::ScalarType type);

// x [N, in] → x Wᵀ [N, out] in the type of x. The graph keeps the codes alone: the weight is dequantised for the
// call, and again for the gradient of x.
Tensor quantized_linear(const Tensor& x, const std::shared_ptr<const QuantizedWeight>& weight);

// The 16 values of NormalFloat4 (Dettmers et al. 2023), rising from −1 to 1.
std::span<const float> nf4_codes();

// The 256 values of the signed dynamic 8-bit type (Dettmers et al. 2022), rising: seven decades of linear fractions,
// each with twice as many as the one below, both signs, 0 and 1.
std::span<const float> dynamic_codes();

}  // namespace peftbench::backbone
