#include "eval/encoder_cache.h"

#include "backbone/finite.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <utility>

namespace peftbench::eval {

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
                                  std::vector<std::int64_t> groups) {
  std::vector<Tensor> states;
  std::vector<std::int64_t> lengths;
  for (const auto* example : examples) {
    try {
      states.push_back(state_of(*example));
    } catch (const NotFiniteError& error) {
      throw error.at(std::ssize(states));
    }
    lengths.push_back(states.back().size(0));
  }
  return {at::cat(states), TokenLayout::of(std::move(lengths), std::move(groups)).to(backbone_.device())};
}

}  // namespace peftbench::eval
