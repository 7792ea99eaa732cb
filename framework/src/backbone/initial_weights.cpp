#include "backbone/initial_weights.h"

#include "core/random.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>

#include <cmath>
#include <numbers>
#include <string_view>

namespace peftbench::backbone {
namespace {

double deviation(const BackboneSpec& spec, std::string_view tensor) {
  const auto ends = [&](std::string_view part) { return tensor.ends_with(part); };
  const auto d = static_cast<double>(spec.d_model);
  if (tensor == "shared.weight") return 1;
  if (ends(".q.weight")) return 1 / std::sqrt(d * static_cast<double>(spec.d_kv));
  if (ends(".o.weight")) return 1 / std::sqrt(static_cast<double>(spec.inner()));
  if (ends(".wo.weight")) return 1 / std::sqrt(static_cast<double>(spec.d_ff));
  return 1 / std::sqrt(d);
}

// Box and Muller's, from the project's own generator: the standard library's normal distribution differs by vendor.
Tensor normal(const Shape& shape, double deviation, Random random) {
  const Tensor out = at::empty(shape, at::kFloat);
  float* values = out.mutable_data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); i += 2) {
    const double radius = deviation * std::sqrt(-2 * std::log(1 - random.uniform()));
    const double angle = 2 * std::numbers::pi * random.uniform();
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < out.numel()) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return out;
}

}  // namespace

TensorMap initial_weights(const BackboneSpec& spec, std::uint64_t seed) {
  TensorMap weights;
  for (const TensorEntry& tensor : spec.tensors()) {
    const bool norm = tensor.name.ends_with("layer_norm.weight");
    weights.emplace(tensor.name, norm ? at::ones(tensor.shape, at::kFloat)
                                      : normal(tensor.shape, deviation(spec, tensor.name),
                                               Random(stream_seed(seed, "initial/" + tensor.name))));
  }
  return weights;
}

}  // namespace peftbench::backbone
