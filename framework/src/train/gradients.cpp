#include "train/gradients.h"

#include <torch/csrc/autograd/autograd.h>

namespace peftbench::train {

Gradients::Gradients(const CompiledPlan& plan) {
  for (const auto& slot : plan.trained()) leaves_.push_back(slot->value);
  own_ = leaves_.size();
  for (const auto& slot : plan.slots())
    if (slot->role == Role::derived) cut(slot->value);
  for (const auto& group : plan.groups())
    for (Tensor& value : group->overrides) cut(value);
}

Gradients::~Gradients() {
  for (auto& [place, value] : cut_) *place = value;
}

void Gradients::cut(Tensor& value) {
  if (!value.defined() || !value.requires_grad() || value.is_leaf()) return;
  cut_.emplace_back(&value, value);
  value = value.detach().requires_grad_(true);
  leaves_.push_back(value);
}

Tensor Gradients::add(Sums& sums, const Tensor& of, const Tensor& gradient, const Tensor& below) const {
  std::vector<Tensor> inputs = leaves_, of_outputs;
  if (below.defined()) inputs.push_back(below);
  if (gradient.defined()) of_outputs.push_back(gradient);
  const std::vector<Tensor> found = torch::autograd::grad({of}, inputs, of_outputs, /*retain_graph=*/std::nullopt,
                                                          /*create_graph=*/false, /*allow_unused=*/true);
  sums.resize(leaves_.size());
  for (std::size_t i = 0; i < leaves_.size(); ++i)
    if (found[i].defined()) sums[i] = sums[i].defined() ? sums[i] + found[i] : found[i];
  return below.defined() ? found.back() : Tensor();
}

void Gradients::finish(const std::vector<Sums>& sums) const {
  std::vector<Tensor> values, gradients;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    Tensor total;
    for (const Sums& part : sums)
      if (!part.empty() && part[i].defined()) total = total.defined() ? total + part[i] : part[i];
    if (!total.defined()) continue;
    if (i >= own_) {
      values.push_back(cut_[i - own_].second);
      gradients.push_back(total);
      continue;
    }
    Tensor& own = leaves_[i].mutable_grad();
    own = own.defined() ? own + total : total;
  }
  if (!values.empty()) torch::autograd::backward(values, gradients);
}

std::int64_t Gradients::bytes() const {
  std::int64_t total = 0;
  for (const Tensor& leaf : leaves_) total += static_cast<std::int64_t>(leaf.nbytes());
  return total;
}

}  // namespace peftbench::train
