#pragma once

#include <peftbench/tensor.h>

#include <torch/csrc/autograd/custom_function.h>

#include <memory>
#include <optional>
#include <utility>

// What functions with a gradient of their own share.
namespace peftbench::backbone::kernels {

// Keeps a value of C++ alive in an autograd graph.
template <class Value>
struct Kept final : torch::CustomClassHolder {
  explicit Kept(Value kept) : value(std::move(kept)) {}
  Value value;
};

template <class Value>
void keep(torch::autograd::AutogradContext* context, Value value) {
  context->saved_data["kept"] = c10::IValue::make_capsule(c10::make_intrusive<Kept<Value>>(std::move(value)));
}

template <class Value>
const Value& kept(const torch::autograd::AutogradContext* context) {
  return c10::static_intrusive_pointer_cast<Kept<Value>>(context->saved_data.at("kept").toCapsule())->value;
}

// A function takes no undefined tensors.
inline std::optional<Tensor> if_defined(const Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}
inline Tensor or_undefined(const std::optional<Tensor>& tensor) { return tensor ? *tensor : Tensor(); }

inline Tensor contiguous_or_undefined(const std::optional<Tensor>& tensor) {
  return tensor ? tensor->contiguous() : Tensor();
}
inline bool wants_gradient(const std::optional<Tensor>& tensor) {
  return tensor && tensor->defined() && tensor->requires_grad();
}

inline const float* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}
inline float* mutable_data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

}  // namespace peftbench::backbone::kernels
