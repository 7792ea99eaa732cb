#include "backbone/layers/frozen_linear.h"

#include "backbone/layers/int8_linear.h"
#include "backbone/layers/nf4_linear.h"

#include <peftbench/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace peftbench::backbone {
namespace {

// x Wᵀ in the arithmetic of `type`; fp32 before and after.
Tensor product(const Tensor& x, const Tensor& weight, at::ScalarType type) {
  if (type == at::kFloat) return at::linear(x, weight.to(at::kFloat));
  return at::linear(x.to(type), weight.to(type)).to(at::kFloat);
}

// What the graph keeps alive in place of a weight.
struct Handle final : torch::CustomClassHolder {
  explicit Handle(std::shared_ptr<const QuantizedLinear> kept) : weight(std::move(kept)) {}
  std::shared_ptr<const QuantizedLinear> weight;
};

struct QuantizedProduct final : torch::autograd::Function<QuantizedProduct> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const std::shared_ptr<const QuantizedLinear>& weight) {
    context->saved_data["weight"] = c10::IValue::make_capsule(c10::make_intrusive<Handle>(weight));
    return at::linear(x, weight->dequantize(x.scalar_type()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto handle = c10::static_intrusive_pointer_cast<Handle>(context->saved_data["weight"].toCapsule());
    const Tensor& of_output = gradients.front();
    return {at::matmul(of_output, handle->weight->dequantize(of_output.scalar_type())), Tensor()};
  }
};

}  // namespace

Tensor DenseLinear::operator()(const Tensor& x) const {
  if (weight_.scalar_type() == arithmetic_) return product(x, weight_, arithmetic_);
  // In pieces, so that there is never an fp32 copy of a large table.
  constexpr int64_t piece = 4096;
  std::vector<Tensor> parts;
  for (int64_t first = 0; first < weight_.size(0); first += piece)
    parts.push_back(product(x, weight_.narrow(0, first, std::min(piece, weight_.size(0) - first)), arithmetic_));
  return at::cat(parts, 1);
}

// Mixed precision: the fp32 master weight is rounded for the product alone.
Tensor DenseLinear::multiply(const Tensor& x, const Tensor& weight) const { return product(x, weight, arithmetic_); }

std::string DenseLinear::form() const { return c10::toString(weight_.scalar_type()); }

Tensor QuantizedLinear::operator()(const Tensor& x) const {
  return QuantizedProduct::apply(x.to(arithmetic_), shared_from_this()).to(at::kFloat);
}

Tensor QuantizedLinear::multiply(const Tensor& x, const Tensor& weight) const {
  return product(x, weight, arithmetic_);
}

std::shared_ptr<const QuantizedLinear> quantize(const Tensor& weight, Quantization kind, Precision arithmetic,
                                                c10::Device device) {
  if (kind == Quantization::none || weight.dim() != 2)
    throw Error("quantize() needs a matrix and a kind other than none");
  const Tensor values = weight.detach().to(at::kFloat).contiguous();
  if (kind == Quantization::nf4) return std::make_shared<const Nf4Linear>(values, type_of(arithmetic), device);
  return std::make_shared<const Int8Linear>(values, type_of(arithmetic), device);
}

}  // namespace peftbench::backbone
