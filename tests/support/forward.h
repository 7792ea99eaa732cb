#pragma once

// One teacher-forced pass and the other short cuts of tests that compare logits.
#include "backbone/backbone.h"
#include "support/layers.h"

#include <ATen/core/grad_mode.h>

#include <functional>
#include <vector>

namespace peftbench::support {

using namespace layers;

using Ids = std::vector<int64_t>;
using Batch = std::vector<Ids>;

inline void refresh(const Backbone& backbone, const CompiledPlan& plan) {
  plan.refresh([&](int tensor) { return backbone.frozen(tensor); });
}

// Logits [N, V] of packed targets; every decoder input begins with the start id.
inline Tensor logits(const Backbone& backbone, const CompiledPlan& plan, const Batch& inputs, Batch decoder_inputs,
                     Ids groups = {}) {
  at::NoGradGuard no_grad;
  refresh(backbone, plan);
  const RunContext context = RunContext::inference();
  const EncoderState encoder = backbone.encode(PackedTokens::of(inputs, groups), plan, context);
  return backbone.head(backbone.decode(encoder, PackedTokens::of(decoder_inputs, groups), plan, context), plan,
                       context);
}

// A plan from one function, its parameters initialised with copies of the backbone's tensors where it asks for them.
inline CompiledPlan plan_with(const Backbone& backbone,
                              const std::function<void(const BackboneSpec&, PlanBuilder&)>& claim) {
  PlanBuilder builder(backbone.spec());
  claim(backbone.spec(), builder);
  return CompiledPlan(builder.finish());
}

inline double difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

}  // namespace peftbench::support
