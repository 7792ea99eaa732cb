#include "train/optimizer.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

namespace peftbench::train {

Tensor& Optimizer::Entry::operator[](const char* name) {
  for (auto& [key, tensor] : state) {
    if (key == name) return tensor;
  }
  throw Error("optimizer state '" + std::string(name) + "' does not exist");
}

Optimizer::Optimizer(const ParameterSlots& parameters) {
  std::map<std::string, int> seen;  // plans of a stack repeat names
  for (const auto& slot : parameters) {
    const int earlier = seen[slot->name]++;
    entries_.push_back({slot, earlier == 0 ? slot->name : std::to_string(earlier) + ":" + slot->name, {}});
  }
}

void Optimizer::step(const std::vector<Tensor>& gradients, double learning_rate) {
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!gradients.at(i).defined()) continue;
    update(entries_[i], gradients[i], learning_rate * entries_[i].slot->learning_rate_scale, steps_);
  }
  ++steps_;
}

TensorMap Optimizer::state() const {
  TensorMap tensors;
  for (const auto& entry : entries_) {
    for (const auto& [name, tensor] : entry.state) tensors.emplace(entry.name + "/" + name, tensor);
  }
  return tensors;
}

void Optimizer::load(const TensorMap& state, std::int64_t steps_taken) {
  at::NoGradGuard no_grad;
  const auto own = this->state();
  for (const auto& [name, tensor] : own) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != tensor.sizes() || state.size() != own.size()) {
      throw CheckpointError({"the checkpoint's optimizer state does not fit this optimizer",
                             "a difference at '" + name + "'", "the parameters and optimizer that it was written with",
                             "remove the run's checkpoint folder to train from the start"});
    }
    Tensor(tensor).copy_(found->second);
  }
  steps_ = steps_taken;
}

std::int64_t Optimizer::state_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& entry : entries_) {
    for (const auto& [name, tensor] : entry.state)
      bytes += tensor.numel() * static_cast<std::int64_t>(tensor.element_size());
  }
  return bytes;
}

namespace {

double root_mean_square(const Tensor& x) {
  if (x.numel() == 0) return 0;
  return at::linalg_vector_norm(x).item<double>() / std::sqrt(static_cast<double>(x.numel()));
}

// LibTorch multiplies fp32 tensors with nothing larger.
double in_fp32(double factor) {
  if (std::abs(factor) <= static_cast<double>(std::numeric_limits<float>::max())) return factor;
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", factor);
  throw Error(Problem{"training diverged", std::string("an update with a factor of ") + text,
                      "a factor that fp32 holds", "lower train.learning_rate"});
}

// torch.optim.AdamW's operations in their order, so that two trajectories stay together to the last bits.
class AdamW final : public Optimizer {
 public:
  AdamW(const AdamWConfig& config, const ParameterSlots& parameters) : Optimizer(parameters), config_(config) {
    for (auto& entry : entries_) {
      entry.state = {{"exp_avg", at::zeros_like(entry.slot->value).detach()},
                     {"exp_avg_sq", at::zeros_like(entry.slot->value).detach()}};
    }
  }

 private:
  void update(Entry& entry, const Tensor& gradient, double learning_rate, std::int64_t step) override {
    Tensor& value = entry.slot->value;
    Tensor& mean = entry["exp_avg"];
    Tensor& square = entry["exp_avg_sq"];
    constexpr double least_scale = 1e-3;  // Adafactor's epsilon2
    if (config_.multiply_by_parameter_scale) learning_rate *= std::max(least_scale, root_mean_square(value));
    value.mul_(in_fp32(1 - learning_rate * config_.weight_decay * entry.slot->weight_decay_scale));
    mean.lerp_(gradient, 1 - config_.beta1);
    square.mul_(config_.beta2).addcmul_(gradient, gradient, 1 - config_.beta2);
    const double count = static_cast<double>(step + 1);
    const double correction1 = 1 - std::pow(config_.beta1, count);
    const double correction2 = std::sqrt(1 - std::pow(config_.beta2, count));
    value.addcdiv_(mean, square.sqrt().div_(correction2).add_(config_.epsilon), in_fp32(-learning_rate / correction1));
  }

  AdamWConfig config_;
};

// The two dimensions whose means stand for the second moment, (second-largest, largest), if it is to be factored.
std::optional<std::pair<int64_t, int64_t>> factored_dimensions(at::IntArrayRef shape, std::int64_t least) {
  if (shape.size() < 2) return std::nullopt;
  std::vector<int64_t> order(shape.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return shape[a] < shape[b]; });
  const int64_t second = order[order.size() - 2], largest = order.back();
  if (shape[second] < least) return std::nullopt;
  return std::pair{second, largest};
}

// As T5X runs it. It computes the decay in fp32, where 1 − (t+1)^-0.8 at t = 1,100,000 keeps two digits of
// 1 − decay; here that is exact.
class Adafactor final : public Optimizer {
 public:
  Adafactor(const AdafactorConfig& config, const ParameterSlots& parameters) : Optimizer(parameters), config_(config) {
    for (auto& entry : entries_) {
      const Tensor& value = entry.slot->value;
      if (const auto dims = factored_dimensions(value.sizes(), config_.min_dim_size_to_factor)) {
        entry.state = {{"v_row", reduced(value, dims->second)}, {"v_col", reduced(value, dims->first)}};
      } else {
        entry.state = {{"v", at::zeros_like(value).detach()}};
      }
    }
  }

 private:
  static Tensor reduced(const Tensor& value, int64_t dimension) {
    auto shape = value.sizes().vec();
    shape.erase(shape.begin() + dimension);
    return at::zeros(shape, value.options().requires_grad(false));
  }

  void update(Entry& entry, const Tensor& gradient, double learning_rate, std::int64_t step) override {
    Tensor& value = entry.slot->value;
    const double t = static_cast<double>(config_.initial_step + step - config_.step_offset);
    const double mix = std::pow(t + 1, -config_.decay_rate), decay = 1 - mix;
    const Tensor square = gradient.square().add_(config_.epsilon1);
    Tensor y;
    if (const auto dims = factored_dimensions(value.sizes(), config_.min_dim_size_to_factor)) {
      const auto [d1, d0] = *dims;
      Tensor& row = entry["v_row"];
      Tensor& column = entry["v_col"];
      row.mul_(decay).add_(square.mean(d0), mix);
      column.mul_(decay).add_(square.mean(d1), mix);
      const Tensor mean = row.mean(d1 > d0 ? d1 - 1 : d1, /*keepdim=*/true);
      y = gradient * row.div(mean).rsqrt_().unsqueeze(d0) * column.rsqrt().unsqueeze(d1);
    } else {
      Tensor& v = entry["v"];
      v.mul_(decay).add_(square, mix);
      y = gradient * v.rsqrt();
    }
    if (config_.clipping_threshold > 0) {
      y.div_(std::max(1.0, root_mean_square(y) / config_.clipping_threshold));
    }
    if (config_.multiply_by_parameter_scale) learning_rate *= std::max(config_.epsilon2, root_mean_square(value));
    value.mul_(1 - config_.weight_decay_rate * entry.slot->weight_decay_scale).sub_(y, in_fp32(learning_rate));
  }

  AdafactorConfig config_;
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const TrainConfig& config, const ParameterSlots& parameters) {
  if (config.optimizer == OptimizerKind::adamw) return std::make_unique<AdamW>(config.adamw, parameters);
  return std::make_unique<Adafactor>(config.adafactor, parameters);
}

double clip_gradients(std::vector<Tensor>& gradients, double limit) {
  at::NoGradGuard no_grad;
  double squares = 0;
  for (const auto& gradient : gradients) {
    if (!gradient.defined()) continue;
    const double norm = at::linalg_vector_norm(gradient).item<double>();
    squares += norm * norm;
  }
  const double norm = std::sqrt(squares);
  const double factor = limit > 0 ? limit / (norm + 1e-6) : 1;  // torch's clip_grad_norm_
  if (factor < 1) {
    for (auto& gradient : gradients) {
      if (gradient.defined()) gradient.mul_(factor);
    }
  }
  return norm;
}

}  // namespace peftbench::train
