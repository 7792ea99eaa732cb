#pragma once

#include <peftbench/hooks.h>

#include <utility>

namespace peftbench::detail {

// The hook of PlanBuilder::train, which replaces a frozen tensor. It does not read that tensor, of which an fp32 copy
// may have to be made.
class TrainedCopy final : public ParameterHook {
 public:
  explicit TrainedCopy(Parameter parameter) : parameter_(std::move(parameter)) {}
  Tensor value(const Tensor&) const override { return value(); }
  const Tensor& value() const { return parameter_(); }

 private:
  Parameter parameter_;
};

}  // namespace peftbench::detail
