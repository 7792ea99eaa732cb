#pragma once

#include "backbone/layer.h"
#include "backbone/layers/frozen_linear.h"

#include <c10/core/Device.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace peftbench::backbone {

// QLoRA's NormalFloat4 (Dettmers et al. 2023, §3): 4 bits a weight, a scale for 64 weights, the scales in 8 bits.
class Nf4Linear final : public QuantizedLinear {
 public:
  static constexpr std::int64_t block = 64;         // weights that share a scale
  static constexpr std::int64_t scale_block = 256;  // scales that share one

  // `weight` [out, in] fp32 of the CPU; its codes are kept on `device`.
  Nf4Linear(const Tensor& weight, at::ScalarType arithmetic, c10::Device device = c10::kCPU);
  Tensor dequantize(at::ScalarType type) const override;
  std::vector<Tensor> parts() const override { return {codes_, scales_, scale_scales_, scale_mean_}; }
  std::string form() const override;

 private:
  Shape shape_;
  Tensor codes_;         // [⌈n/2⌉] bytes over the flattened weight, the first of two codes in the upper half
  Tensor scales_;        // [⌈n/64⌉] bytes, numbers of dynamic_codes()
  Tensor scale_scales_;  // [⌈⌈n/64⌉/256⌉] fp32
  Tensor scale_mean_;    // [1] fp32, subtracted from the scales before they are quantised
};

// The 16 values of NormalFloat4, rising from −1 to 1.
std::span<const float> nf4_codes();

// The 256 values of the signed dynamic 8-bit type (Dettmers et al. 2022), rising: seven decades of linear fractions,
// each with twice as many as the one below, both signs, 0 and 1.
std::span<const float> dynamic_codes();

}  // namespace peftbench::backbone
