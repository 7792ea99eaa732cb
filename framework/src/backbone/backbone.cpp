#include "backbone/backbone.h"

#include "backbone/t5.h"

#include <ATen/ops/from_blob.h>

namespace peftbench::backbone {

PackedTokens PackedTokens::of(const std::vector<std::vector<int64_t>>& sequences, std::vector<int64_t> groups,
                              std::vector<int64_t> replicas) {
  std::vector<int64_t> ids, lengths;
  for (const auto& sequence : sequences) {
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    lengths.push_back(static_cast<int64_t>(sequence.size()));
  }
  return {at::from_blob(ids.data(), {static_cast<int64_t>(ids.size())}, at::kLong).clone(),
          TokenLayout::of(std::move(lengths), std::move(groups), std::move(replicas))};
}

void Backbone::refresh(const CompiledPlan& plan) const {
  plan.refresh([this](int index) { return frozen(index).to(at::kFloat); });
}

Tensor Backbone::look_up(const PackedTokens& input, const CompiledPlan& plan, const RunContext& context) const {
  return T5(*this, plan, context).look_up(input);
}

Embedded Backbone::enter(Stack stack, const PackedTokens& input, const CompiledPlan& plan,
                         const RunContext& context) const {
  return T5(*this, plan, context).embed(stack, input, {});
}

EncoderState Backbone::encode(const PackedTokens& input, const CompiledPlan& plan, const RunContext& context,
                              const Tensor& embeddings) const {
  return T5(*this, plan, context).encode(input, embeddings);
}

DecoderState Backbone::decode(const EncoderState& encoder, const PackedTokens& input, const CompiledPlan& plan,
                              const RunContext& context) const {
  return T5(*this, plan, context).decode(encoder, input, nullptr);
}

Tensor Backbone::head(const DecoderState& state, const CompiledPlan& plan, const RunContext& context) const {
  return T5(*this, plan, context).head(state);
}

std::unique_ptr<DecodeCache> Backbone::begin_decoding(const EncoderState& encoder) const {
  auto cache = std::make_unique<DecodeCache>();
  cache->encoder = encoder;
  return cache;
}

Tensor Backbone::decode_step(DecodeCache& cache, const Tensor& ids, const CompiledPlan& plan,
                             const RunContext& context) const {
  const T5 t5(*this, plan, context);
  return t5.head(t5.step(cache, ids));
}

}  // namespace peftbench::backbone
