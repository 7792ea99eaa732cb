#include "backbone/quantization.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <torch/csrc/autograd/custom_function.h>

namespace peftbench::backbone {

namespace {

// What the graph keeps alive in place of a weight.
struct Handle final : torch::CustomClassHolder {
  explicit Handle(std::shared_ptr<const QuantizedWeight> kept) : weight(std::move(kept)) {}
  std::shared_ptr<const QuantizedWeight> weight;
};

struct LinearFunction final : torch::autograd::Function<LinearFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const std::shared_ptr<const QuantizedWeight>& weight) {
    context->saved_data["weight"] = c10::IValue::make_capsule(c10::make_intrusive<Handle>(weight));
    return at::linear(x, dequantize(*weight, x.scalar_type()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto handle = c10::static_intrusive_pointer_cast<Handle>(context->saved_data["weight"].toCapsule());
    const Tensor& of_output = gradients.front();
    return {at::matmul(of_output, dequantize(*handle->weight, of_output.scalar_type())), Tensor()};
  }
};

}  // namespace

Tensor quantized_linear(const Tensor& x, const std::shared_ptr<const QuantizedWeight>& weight) {
  return LinearFunction::apply(x, weight);
}

}  // namespace peftbench::backbone
