#include "eval/likelihood.h"

#include "backbone/finite.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

namespace peftbench::eval {

const ReplicaHook* replica_hook(const CompiledPlan& plan) { return plan.only() ? plan.only()->replica.get() : nullptr; }

std::int64_t replicas_of(const CompiledPlan& plan) {
  const auto* hook = replica_hook(plan);
  return hook ? hook->replicas() : 1;
}

bool scores_classes(const CompiledPlan& plan) {
  return plan.only() && plan.only()->head && plan.only()->head->scores_classes();
}

Tensor combine_replicas(const CompiledPlan& plan, const Tensor& log_likelihood, bool training) {
  const auto* hook = replica_hook(plan);
  if (!hook) return log_likelihood.reshape({-1});
  const Tensor copies = log_likelihood.reshape({-1, hook->replicas()});
  return hook->combine({copies, training});
}

PackedTokens pack_inputs(const ExampleBatch& batch) {
  std::vector<std::vector<std::int64_t>> sequences;
  std::vector<std::int64_t> groups, replicas, slots;
  bool has_slots = false;
  for (std::size_t i = 0; i < batch.examples.size(); ++i) {
    const EncodedExample& example = *batch.examples[i];
    for (std::int64_t copy = 0; copy < batch.copies; ++copy) {
      const bool own = copy > 0 && !example.replicas.empty();
      const auto& ids = own ? example.replicas[static_cast<std::size_t>(copy - 1)].ids : example.input;
      const auto& numbers = own ? example.replicas[static_cast<std::size_t>(copy - 1)].slots : example.slots;
      sequences.push_back(ids);
      groups.push_back(batch.groups.empty() ? 0 : batch.groups[i]);
      replicas.push_back(copy);
      if (numbers.empty()) {
        slots.insert(slots.end(), ids.size(), -1);
      } else {
        slots.insert(slots.end(), numbers.begin(), numbers.end());
        has_slots = true;
      }
    }
  }
  PackedTokens packed = PackedTokens::of(sequences, std::move(groups), std::move(replicas));
  if (has_slots) packed.layout.slots = at::tensor(slots, at::kLong);
  return packed;
}

EncoderState encode_batch(const Backbone& backbone, const ExampleBatch& batch, const CompiledPlan& plan,
                          const RunContext& context, EncoderCache* cache) {
  if (cache) return cache->encode(batch.examples, batch.groups);
  return backbone.encode(pack_inputs(batch), plan, context);
}

namespace {

// Decoder inputs with the groups and replicas of the encoder's sequences.
PackedTokens decoder_tokens(const std::vector<std::vector<std::int64_t>>& sequences, const TokenLayout& encoder) {
  return PackedTokens::of(sequences, encoder.groups, encoder.replicas);
}

}  // namespace

DecoderState decode_labels(const Backbone& backbone, const EncoderState& encoder,
                           const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                           const RunContext& context, KeptKeys* cross) {
  std::vector<std::vector<std::int64_t>> shifted;
  for (const auto& target : targets) {
    if (target.empty()) throw Error("a target without tokens cannot be scored");
    shifted.push_back({backbone.spec().decoder_start_id});
    shifted.back().insert(shifted.back().end(), target.begin(), target.end() - 1);
  }
  const PackedTokens input = decoder_tokens(shifted, encoder.layout);
  DecoderState state = backbone.decode(encoder, input, plan, context, cross);
  if (state.layout.rows() == input.layout.rows()) return state;
  std::vector<Tensor> parts;
  for (std::int64_t s = 0; s < state.layout.sequences(); ++s) {
    parts.push_back(
        state.hidden.narrow(0, state.layout.offsets[s + 1] - input.layout.lengths[s], input.layout.lengths[s]));
  }
  return {at::cat(parts), input.layout.to(state.layout.device)};
}

Tensor TokenScores::of_sequences(const Tensor& tokens) const {
  return at::zeros({sequences}, tokens.options()).index_add(0, owner, tokens);
}

TokenScores score_tokens(const Backbone& backbone, const DecoderState& labels,
                         const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                         const RunContext& context) {
  std::vector<std::int64_t> ids, owners;
  for (std::size_t s = 0; s < targets.size(); ++s) {
    ids.insert(ids.end(), targets[s].begin(), targets[s].end());
    owners.insert(owners.end(), targets[s].size(), static_cast<std::int64_t>(s));
  }
  TokenScores scores;
  scores.logits = backbone.head(labels, plan, context);
  const auto device = scores.logits.device();
  scores.owner = at::tensor(owners, at::kLong).to(device);
  scores.sequences = static_cast<std::int64_t>(targets.size());
  const Tensor label = at::tensor(ids, at::kLong).to(device);
  scores.log_p = at::log_softmax(scores.logits, -1).gather(1, label.unsqueeze(1)).squeeze(1);
  return scores;
}

SequenceScores score_rows(const Backbone& backbone, const DecoderState& labels,
                          const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                          const RunContext& context, bool normaliser) {
  const TokenScores tokens = score_tokens(backbone, labels, targets, plan, context);
  SequenceScores scores;
  scores.log_likelihood = tokens.of_sequences(tokens.log_p);
  if (normaliser) scores.log_normaliser_square = tokens.of_sequences(at::logsumexp(tokens.logits, {-1}).square());
  return scores;
}

std::vector<std::pair<std::int64_t, std::int64_t>> chunks(const TokenLayout& layout, std::int64_t vocabulary,
                                                          std::int64_t bytes) {
  const std::int64_t most_rows = std::max<std::int64_t>(1, bytes / (vocabulary * 4));
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  std::int64_t first = 0;
  for (std::int64_t s = 1; s <= layout.sequences(); ++s) {
    const bool last = s == layout.sequences();
    if (last || layout.offsets[s + 1] - layout.offsets[first] > most_rows) {
      ranges.emplace_back(first, s);
      first = s;
    }
  }
  return ranges;
}

DecoderState slice(const DecoderState& state, std::int64_t first, std::int64_t count) {
  const auto& offsets = state.layout.offsets;
  return {state.hidden.narrow(0, offsets[first], offsets[first + count] - offsets[first]),
          state.layout.slice(first, count)};
}

Tensor score_targets(const Backbone& backbone, const EncoderState& encoder,
                     const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                     const RunContext& context, KeptKeys* cross) {
  at::NoGradGuard no_grad;
  const DecoderState labels = decode_labels(backbone, encoder, targets, plan, context, cross);
  std::vector<Tensor> parts;
  for (const auto& [first, last] : chunks(labels.layout, backbone.spec().vocab_size, most_logit_bytes)) {
    const std::vector<std::vector<std::int64_t>> part(targets.begin() + first, targets.begin() + last);
    try {
      parts.push_back(
          score_rows(backbone, slice(labels, first, last - first), part, plan, context, false).log_likelihood);
    } catch (const NotFiniteError& error) {
      throw error.at(first + error.place());
    }
  }
  Tensor scores = at::cat(parts);
  require_finite(scores, 1, backbone, plan);
  return scores;
}

Tensor class_log_probabilities(const Backbone& backbone, const EncoderState& encoder, const CompiledPlan& plan,
                               const RunContext& context) {
  std::vector<std::vector<std::int64_t>> sequences;
  for (const std::int64_t group : encoder.layout.groups) {
    sequences.push_back({backbone.spec().decoder_start_id});
    for (const auto id : plan.groups()[static_cast<std::size_t>(group)]->head->decoder_tokens())
      sequences.back().push_back(id);
  }
  const DecoderState state = backbone.decode(encoder, decoder_tokens(sequences, encoder.layout), plan, context);
  Tensor scores = at::log_softmax(backbone.head(state, plan, context), -1);
  if (!context.training()) require_finite(scores, 1, backbone, plan);
  return scores;
}

}  // namespace peftbench::eval
