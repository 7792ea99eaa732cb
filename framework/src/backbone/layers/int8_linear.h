#pragma once

#include "backbone/layer.h"
#include "backbone/layers/frozen_linear.h"

#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace peftbench::backbone {

// 8 bits a weight and a scale for each output row.
class Int8Linear final : public QuantizedLinear {
 public:
  // `weight` [out, in] fp32 of the CPU; its codes are kept on `device`.
  Int8Linear(const Tensor& weight, at::ScalarType arithmetic, c10::Device device = c10::kCPU);
  Tensor dequantize(at::ScalarType type) const override;
  std::vector<Tensor> parts() const override { return {codes_, scales_}; }
  std::string form() const override;
  const Tensor& codes() const { return codes_; }
  const Tensor& scales() const { return scales_; }

 private:
  Tensor codes_;   // [out, in] int8
  Tensor scales_;  // [out] fp32
};

}  // namespace peftbench::backbone
