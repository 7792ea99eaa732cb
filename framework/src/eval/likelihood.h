#pragma once

#include "backbone/backbone.h"
#include "data/prepared/encode.h"
#include "eval/encoder_cache.h"
#include "eval/layer.h"

#include <cstdint>
#include <vector>

namespace peftbench::eval {

// Examples of one batch. The `copies` sequences of each example are consecutive.
struct ExampleBatch {
  std::vector<const EncodedExample*> examples;
  std::vector<std::int64_t> groups;  // of each example, never decreasing; empty: all 0
  std::int64_t copies = 1;           // replicas of the plan
  // The task's label words as ids, where the loss of training compares them; else null.
  const std::vector<std::vector<std::int64_t>>* choices = nullptr;

  std::int64_t sequences() const { return static_cast<std::int64_t>(examples.size()) * copies; }
};

// Number of replicas of a plan; 1 without a hook.
std::int64_t replicas_of(const CompiledPlan& plan);
const ReplicaHook* replica_hook(const CompiledPlan& plan);
bool scores_classes(const CompiledPlan& plan);

// [B·r] or [B, r] log-likelihoods of the copies → [B] of the examples.
Tensor combine_replicas(const CompiledPlan& plan, const Tensor& log_likelihood, bool training);

PackedTokens pack_inputs(const ExampleBatch& batch);
// From the cache where there is one (then the plan has no replicas), else by one pass over the batch.
EncoderState encode_batch(const Backbone& backbone, const ExampleBatch& batch, const CompiledPlan& plan,
                          const RunContext& context, EncoderCache* cache);

// Decoder states of the rows that predict a label: the last rows of a sequence, where a hook made it longer.
DecoderState decode_labels(const Backbone& backbone, const EncoderState& encoder,
                           const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                           const RunContext& context, KeptKeys* cross = nullptr);

// Of the label tokens of all sequences together, T of them.
struct TokenScores {
  Tensor logits;                                    // [T, V]
  Tensor log_p;                                     // [T] of the label
  Tensor owner;                                     // [T] int64, the token's sequence
  std::int64_t sequences = 0;                       // S
  Tensor of_sequences(const Tensor& tokens) const;  // [T] → [S], sums
};
TokenScores score_tokens(const Backbone& backbone, const DecoderState& labels,
                         const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                         const RunContext& context);

// What each sequence's tokens come to.
struct SequenceScores {
  Tensor log_likelihood;         // [S] Σ log p(label token)
  Tensor log_normaliser_square;  // [S] Σ log²Z; undefined unless requested
};
SequenceScores score_rows(const Backbone& backbone, const DecoderState& labels,
                          const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                          const RunContext& context, bool normaliser);

// Runs of sequences whose logits take at most about `bytes`: [first, last) each.
std::vector<std::pair<std::int64_t, std::int64_t>> chunks(const TokenLayout& layout, std::int64_t vocabulary,
                                                          std::int64_t bytes);
// Of the sequences [first, first + count).
template <class State>
State slice(const State& state, std::int64_t first, std::int64_t count) {
  const auto& offsets = state.layout.offsets;
  return {state.hidden.narrow(0, offsets[first], offsets[first + count] - offsets[first]),
          state.layout.slice(first, count)};
}

// Log-likelihoods [S] of one target for each sequence, without a graph, in chunks. `cross`: as Backbone::decode has it,
// for other targets of the same inputs.
Tensor score_targets(const Backbone& backbone, const EncoderState& encoder,
                     const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                     const RunContext& context, KeptKeys* cross = nullptr);

// Log-likelihoods [S, W] of W targets for each sequence, without a graph: what the targets have in common is decoded
// once, unless the plan claims a site whose hook may tell rows apart by their place.
Tensor score_words(const Backbone& backbone, const EncoderState& encoder,
                   const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                   const RunContext& context);

// [S, C] log-probabilities of a head that scores classes.
Tensor class_log_probabilities(const Backbone& backbone, const EncoderState& encoder, const CompiledPlan& plan,
                               const RunContext& context);

inline constexpr std::int64_t most_logit_bytes = std::int64_t{256} << 20;

}  // namespace peftbench::eval
