#include "plan/layer.h"

#include <peftbench/error.h>
#include <peftbench/parameter.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <cmath>

namespace peftbench {

using namespace plan;

InitContext::~InitContext() = default;

const Tensor& Parameter::operator()() const {
  if (!slot_ || !slot_->value.defined()) {
    throw Error(
        {.what = "parameter " + (slot_ ? slot_->name : std::string("(none)")) + " is used before it has a value",
         .expected = "reads in hooks and derive functions only, not in Method::plan",
         .remedy = "move the use into the hook"});
  }
  return slot_->value;
}

void Parameter::set(const Tensor& value) const {
  if (slot_->role != Role::buffer) {
    throw Error({.what = "only a buffer can be set",
                 .found = slot_->name + " is trained or derived",
                 .remedy = "declare it with PlanBuilder::buffer"});
  }
  slot_->value.copy_(value);
}

namespace init {

Init constant(double value) {
  return [value](InitContext&, const Shape& shape) { return at::full(shape, value); };
}
Init zeros() { return constant(0.0); }
Init ones() { return constant(1.0); }

Init uniform(double low, double high) {
  return [low, high](InitContext& context, const Shape& shape) {
    return at::empty(shape).uniform_(low, high, context.generator());
  };
}

Init normal(double mean, double deviation) {
  return [mean, deviation](InitContext& context, const Shape& shape) {
    return at::empty(shape).normal_(mean, deviation, context.generator());
  };
}

Init truncated_normal(double deviation) {
  return [deviation](InitContext& context, const Shape& shape) {
    // Inverse of the normal distribution function on its part between −2 and 2 deviations.
    const double low = 0.5 * (1 + std::erf(-2 / std::sqrt(2.0)));
    Tensor u = at::empty(shape).uniform_(2 * low - 1, 1 - 2 * low, context.generator());
    return u.erfinv_().mul_(std::sqrt(2.0) * deviation);
  };
}

Init kaiming_uniform() {
  return [](InitContext& context, const Shape& shape) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(shape.back()));
    return at::empty(shape).uniform_(-bound, bound, context.generator());
  };
}

Init frozen_copy(std::string tensor_name) {
  return [name = std::move(tensor_name)](InitContext& context, const Shape&) { return context.frozen(name).clone(); };
}

}  // namespace init
}  // namespace peftbench
