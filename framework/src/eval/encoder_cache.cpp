#include "eval/encoder_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <utility>

namespace peftbench {

Tensor EncoderCache::state_of(const EncodedExample& example) {
  if (const auto found = states_.find(example.input); found != states_.end()) {
    ++counts_.hits;
    return found->second;
  }
  ++counts_.misses;
  at::NoGradGuard no_grad;
  const auto alone = PackedTokens::of({example.input});
  const Tensor hidden = backbone_.encode(alone, CompiledPlan(), RunContext::inference()).hidden;
  const auto bytes = static_cast<std::int64_t>(hidden.nbytes() + example.input.size() * sizeof(std::int64_t));
  if (counts_.bytes + bytes <= most_bytes_) {
    states_.emplace(example.input, hidden);
    counts_.bytes += bytes;
    ++counts_.entries;
  }
  return hidden;
}

EncoderState EncoderCache::encode(const std::vector<const EncodedExample*>& examples,
                                  const std::vector<std::int64_t>& groups, std::int64_t copies) {
  std::vector<Tensor> states;
  std::vector<std::int64_t> lengths, sequence_groups, replicas;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const Tensor state = state_of(*examples[i]);
    for (std::int64_t copy = 0; copy < copies; ++copy) {
      states.push_back(state);
      lengths.push_back(state.size(0));
      sequence_groups.push_back(groups.empty() ? 0 : groups[i]);
      replicas.push_back(copy);
    }
  }
  return {at::cat(states), TokenLayout::of(std::move(lengths), std::move(sequence_groups), std::move(replicas))};
}

}  // namespace peftbench
