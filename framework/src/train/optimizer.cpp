#include "train/optimizer.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
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

namespace {

// √Σx² of each tensor; from a device in one transfer.
std::vector<double> norms_of(const std::vector<Tensor>& tensors) {
  if (tensors.empty()) return {};
  std::vector<Tensor> norms;
  for (const Tensor& tensor : tensors) norms.push_back(at::linalg_vector_norm(tensor));
  const Tensor all = at::stack(norms).cpu();
  const float* values = all.const_data_ptr<float>();
  return {values, values + all.numel()};
}

}  // namespace

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
  // On the CPU one after another, so that no direction lives longer than it is used.
  constexpr std::int64_t most_elements = 1 << 24;
  std::vector<Update> updates;
  std::int64_t elements = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!gradients.at(i).defined()) continue;
    Entry& entry = entries_[i];
    updates.push_back({entry, gradients[i], learning_rate * entry.slot->learning_rate_scale, steps_});
    updates.back().direction = prepare(entry, gradients[i], steps_);
    elements += gradients[i].numel();
    if (gradients[i].is_cpu() || elements >= most_elements) {
      finish(updates);
      elements = 0;
    }
  }
  finish(updates);
  ++steps_;
}

void Optimizer::finish(std::vector<Update>& updates) {
  std::vector<Tensor> wanted;
  for (Update& update : updates) {
    const std::vector<Tensor> tensors = measured(update);
    update.root_mean_squares.resize(tensors.size());
    wanted.insert(wanted.end(), tensors.begin(), tensors.end());
  }
  const std::vector<double> norms = norms_of(wanted);
  std::size_t next = 0;
  for (Update& update : updates) {
    for (double& value : update.root_mean_squares) {
      const auto count = static_cast<double>(wanted[next].numel());
      value = count > 0 ? norms[next] / std::sqrt(count) : 0;
      ++next;
    }
    apply(update);
  }
  updates.clear();
}

Tensor Optimizer::prepare(Entry&, const Tensor&, std::int64_t) { return {}; }

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
  std::vector<Tensor> measured(const Update& update) const override {
    if (!config_.multiply_by_parameter_scale) return {};
    return {update.entry.slot->value};
  }

  void apply(Update& update) override {
    Entry& entry = update.entry;
    const Tensor& gradient = update.gradient;
    double learning_rate = update.learning_rate;
    Tensor& value = entry.slot->value;
    Tensor& mean = entry["exp_avg"];
    Tensor& square = entry["exp_avg_sq"];
    constexpr double least_scale = 1e-3;  // Adafactor's epsilon2
    if (config_.multiply_by_parameter_scale) learning_rate *= std::max(least_scale, update.root_mean_squares.front());
    value.mul_(in_fp32(1 - learning_rate * config_.weight_decay * entry.slot->weight_decay_scale));
    mean.lerp_(gradient, 1 - config_.beta1);
    square.mul_(config_.beta2).addcmul_(gradient, gradient, 1 - config_.beta2);
    const double count = static_cast<double>(update.step + 1);
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

  // The gradient over the root of its second moment.
  Tensor prepare(Entry& entry, const Tensor& gradient, std::int64_t step) override {
    const double t = static_cast<double>(config_.initial_step + step - config_.step_offset);
    const double mix = std::pow(t + 1, -config_.decay_rate), decay = 1 - mix;
    const Tensor square = gradient.square().add_(config_.epsilon1);
    if (const auto dims = factored_dimensions(gradient.sizes(), config_.min_dim_size_to_factor)) {
      const auto [d1, d0] = *dims;
      Tensor& row = entry["v_row"];
      Tensor& column = entry["v_col"];
      row.mul_(decay).add_(square.mean(d0), mix);
      column.mul_(decay).add_(square.mean(d1), mix);
      const Tensor mean = row.mean(d1 > d0 ? d1 - 1 : d1, /*keepdim=*/true);
      return gradient * row.div(mean).rsqrt_().unsqueeze(d0) * column.rsqrt().unsqueeze(d1);
    }
    Tensor& v = entry["v"];
    v.mul_(decay).add_(square, mix);
    return gradient * v.rsqrt();
  }

  std::vector<Tensor> measured(const Update& update) const override {
    std::vector<Tensor> tensors;
    if (config_.clipping_threshold > 0) tensors.push_back(update.direction);
    if (config_.multiply_by_parameter_scale) tensors.push_back(update.entry.slot->value);
    return tensors;
  }

  void apply(Update& update) override {
    Tensor& y = update.direction;
    double learning_rate = update.learning_rate;
    if (config_.clipping_threshold > 0)
      y.div_(std::max(1.0, update.root_mean_squares.front() / config_.clipping_threshold));
    if (config_.multiply_by_parameter_scale)
      learning_rate *= std::max(config_.epsilon2, update.root_mean_squares.back());
    const detail::ParameterSlot& slot = *update.entry.slot;
    Tensor(slot.value).mul_(1 - config_.weight_decay_rate * slot.weight_decay_scale).sub_(y, in_fp32(learning_rate));
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
  std::vector<Tensor> defined;
  for (const auto& gradient : gradients)
    if (gradient.defined()) defined.push_back(gradient);
  double squares = 0;
  for (const double norm : norms_of(defined)) squares += norm * norm;
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
