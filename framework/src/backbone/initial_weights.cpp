#include "backbone/initial_weights.h"

#include "architectures/architecture.h"
#include "core/random.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>

#include <cmath>
#include <numbers>

namespace peftbench::backbone {
namespace {

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
  const Architecture& architecture = architecture_named(spec.architecture);
  TensorMap weights;
  for (const TensorEntry& tensor : spec.tensors()) {
    const bool norm = tensor.role.kind == TensorKind::norm || tensor.role.kind == TensorKind::final_norm;
    weights.emplace(tensor.name, norm ? at::ones(tensor.shape, at::kFloat)
                                      : normal(tensor.shape, architecture.initial_deviation(spec, tensor.role),
                                               Random(stream_seed(seed, "initial/" + tensor.name))));
  }
  return weights;
}

}  // namespace peftbench::backbone
