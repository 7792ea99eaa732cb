#pragma once

#include "backbone/layer.h"
#include "backbone/layers/frozen_tensor.h"
#include "backbone/precision.h"

#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::backbone {

// x Wᵀ in the arithmetic of `type`; fp32 before and after.
Tensor product(const Tensor& x, const Tensor& weight, at::ScalarType type);

// A frozen map y = x Wᵀ, W [out, in]. Each form of W is a class: how it is kept and how it multiplies.
class FrozenLinear : public FrozenTensor {
 public:
  virtual Tensor operator()(const Tensor& x) const = 0;  // x [N, in] fp32 → [N, out] fp32
  // The same with another weight [out, in] fp32, which a plan trains: in the arithmetic of this map.
  virtual Tensor multiply(const Tensor& x, const Tensor& weight) const = 0;
};

// fp32 or bf16, as the tensor is. It multiplies in `arithmetic`: of the head, fp32 whatever the weight is.
class DenseLinear final : public FrozenLinear {
 public:
  DenseLinear(Tensor weight, at::ScalarType arithmetic) : weight_(std::move(weight)), arithmetic_(arithmetic) {}
  Tensor operator()(const Tensor& x) const override;
  Tensor multiply(const Tensor& x, const Tensor& weight) const override;
  Tensor value() const override { return weight_; }
  std::vector<Tensor> parts() const override { return {weight_}; }
  std::string form() const override;

 private:
  Tensor weight_;
  at::ScalarType arithmetic_;
};

// A map whose weight is kept in fewer bits. It is dequantised for a product, and again for the gradient of x: the
// autograd graph keeps only the codes. Made by std::make_shared.
class QuantizedLinear : public FrozenLinear, public std::enable_shared_from_this<QuantizedLinear> {
 public:
  explicit QuantizedLinear(at::ScalarType arithmetic) : arithmetic_(arithmetic) {}
  virtual Tensor dequantize(at::ScalarType type) const = 0;  // [out, in] in fp32 or bf16
  Tensor operator()(const Tensor& x) const final;
  Tensor multiply(const Tensor& x, const Tensor& weight) const final;
  Tensor value() const final { return dequantize(arithmetic_); }

 private:
  at::ScalarType arithmetic_;
};

// Rounds to the nearest code, of two equally near to the lower. `weight` [out, in] is read as fp32. Throws Error for
// `none` or a tensor that is not a matrix.
std::shared_ptr<const QuantizedLinear> quantize(const Tensor& weight, Quantization kind,
                                                Precision arithmetic = Precision::float32,
                                                c10::Device device = c10::kCPU);

}  // namespace peftbench::backbone
