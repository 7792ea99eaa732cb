#include "backbone/layers/frozen_linear.h"

#include "backbone/kernels/function_parts.h"
#include "backbone/layers/int8_linear.h"
#include "backbone/layers/nf4_linear.h"

#include <peftbench/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>

#include <algorithm>

namespace peftbench::backbone {
namespace {

struct QuantizedProduct final : torch::autograd::Function<QuantizedProduct> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const std::shared_ptr<const QuantizedLinear>& weight) {
    kernels::keep(context, weight);
    return at::linear(x, weight->dequantize(x.scalar_type()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto& weight = kernels::kept<std::shared_ptr<const QuantizedLinear>>(context);
    const Tensor& of_output = gradients.front();
    return {at::matmul(of_output, weight->dequantize(of_output.scalar_type())), Tensor()};
  }
};

}  // namespace

Tensor product(const Tensor& x, const Tensor& weight, at::ScalarType type) {
  if (type == at::kFloat) return at::linear(x, weight.to(at::kFloat));
  return at::linear(x.to(type), weight.to(type)).to(at::kFloat);
}

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
