#include "eval/likelihood.h"

#include "backbone/finite.h"
#include "eval/target_tree.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/stack.h>
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

namespace {

// What `score(states, first, last)` gives of the sequences, a chunk at a time, so that their logits are not too many.
template <class Score>
Tensor in_chunks(const DecoderState& states, std::int64_t vocabulary, const Score& score) {
  std::vector<Tensor> parts;
  for (const auto& [first, last] : chunks(states.layout, vocabulary, most_logit_bytes)) {
    try {
      parts.push_back(score(slice(states, first, last - first), first, last));
    } catch (const NotFiniteError& error) {
      throw error.at(first + error.place());
    }
  }
  return at::cat(parts);
}

}  // namespace

Tensor score_targets(const Backbone& backbone, const EncoderState& encoder,
                     const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                     const RunContext& context, KeptKeys* cross) {
  at::NoGradGuard no_grad;
  const DecoderState labels = decode_labels(backbone, encoder, targets, plan, context, cross);
  Tensor scores = in_chunks(
      labels, backbone.spec().vocab_size, [&](const DecoderState& states, std::int64_t first, std::int64_t last) {
        const std::vector<std::vector<std::int64_t>> part(targets.begin() + first, targets.begin() + last);
        return score_rows(backbone, states, part, plan, context, false).log_likelihood;
      });
  require_finite(scores, 1, backbone, plan);
  return scores;
}

namespace {

// Hooks at these sites may count rows.
bool counts_decoder_rows(const CompiledPlan& plan) {
  const auto decoder = static_cast<std::size_t>(Stack::decoder);
  return std::any_of(plan.groups().begin(), plan.groups().end(), [&](const auto& group) {
    return group->input[decoder] != nullptr || group->head != nullptr ||
           std::any_of(group->claimed.begin(), group->claimed.end(), [](const auto& claim) {
             return claim.second.kind == detail::SiteKind::block && claim.second.stack == Stack::decoder;
           });
  });
}

// log p [S, E] of the tokens of a tree.
Tensor token_log_p(const Backbone& backbone, const DecoderState& states, const TargetTree& tree,
                   const CompiledPlan& plan, const RunContext& context) {
  const std::int64_t vocabulary = backbone.spec().vocab_size;
  std::vector<std::int64_t> places;  // in a sequence's log p [T·V]
  for (const TargetTree::Token& token : tree.tokens) places.push_back(token.node * vocabulary + token.id);
  const Tensor index = at::tensor(places, at::kLong).to(states.hidden.device());
  return in_chunks(states, vocabulary, [&](const DecoderState& some, std::int64_t first, std::int64_t last) {
    const Tensor log_p = at::log_softmax(backbone.head(some, plan, context), -1);
    return log_p.view({last - first, -1}).index_select(1, index);
  });
}

}  // namespace

Tensor score_words(const Backbone& backbone, const EncoderState& encoder,
                   const std::vector<std::vector<std::int64_t>>& targets, const CompiledPlan& plan,
                   const RunContext& context) {
  const at::NoGradGuard no_grad;
  const std::int64_t sequences = encoder.layout.sequences();
  std::vector<Tensor> scores;
  if (counts_decoder_rows(plan)) {
    const auto cross = backbone.cross_keys();
    for (const auto& target : targets) {
      const std::vector<std::vector<std::int64_t>> same(static_cast<std::size_t>(sequences), target);
      scores.push_back(score_targets(backbone, encoder, same, plan, context, cross.get()));
    }
    return at::stack(scores, 1);
  }
  const TargetTree tree(targets, backbone.spec().decoder_start_id);
  const DecoderState states = backbone.decode_tree(encoder, tree.nodes, plan, context);
  const Tensor log_p = token_log_p(backbone, states, tree, plan, context);
  for (const auto& path : tree.paths) {
    Tensor sum = log_p.select(1, path.front());
    for (std::size_t t = 1; t < path.size(); ++t) sum = sum + log_p.select(1, path[t]);
    scores.push_back(sum);
  }
  Tensor all = at::stack(scores, 1);
  require_finite(all, 1, backbone, plan);
  return all;
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
