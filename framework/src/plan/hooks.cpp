#include "plan/layer.h"

#include <peftbench/hooks.h>

#include <ATen/ops/logsumexp.h>

#include <cmath>

namespace peftbench {

using namespace plan;

// Out of line, so that the vtables stand once, in the library, for all plugins.
CallContext::~CallContext() = default;
LayoutHook::~LayoutHook() = default;
InputHook::~InputHook() = default;
KvHook::~KvHook() = default;
LinearHook::~LinearHook() = default;
SublayerHook::~SublayerHook() = default;
BlockHook::~BlockHook() = default;
ParameterHook::~ParameterHook() = default;
HeadHook::~HeadHook() = default;
ReplicaHook::~ReplicaHook() = default;
LossHook::~LossHook() = default;
StepHook::~StepHook() = default;

std::string LayoutHook::answer(const std::string& generated) const { return generated; }

std::optional<Tensor> LinearHook::merged(const Tensor&) const { return std::nullopt; }

Tensor ReplicaHook::combine(const ReplicaCall& call) const {
  return at::logsumexp(call.log_likelihoods, {1}) - std::log(static_cast<double>(call.log_likelihoods.size(1)));
}

std::vector<double> ReplicaHook::votes() const {
  return std::vector<double>(static_cast<std::size_t>(replicas()), 1.0);
}

}  // namespace peftbench
