#include "backbone/t5.h"

#include "backbone/finite.h"

#include <peftbench/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace peftbench::backbone {
namespace {

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::relu:
      return at::relu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::gelu:
      return at::gelu(x);
    case Activation::silu:
      return at::silu(x);
  }
  throw Error("unknown activation");
}

Tensor sum(const Tensor& a, const Tensor& b) { return !a.defined() ? b : b.defined() ? a + b : a; }

}  // namespace

T5::T5(const Backbone& backbone, const CompiledPlan& plan, const RunContext& context)
    : backbone_(backbone), plan_(plan), context_(context), wiring_(backbone.wiring()), sites_(backbone, context) {}

T5::Side::Side(TokenLayout layout, const CompiledPlan& plan) : rows(std::move(layout), plan), map(rows.layout) {
  for (const GroupRange& range : rows.ranges) range_maps.emplace_back(range.layout);
}

Tensor T5::Scores::operator()(int part, int64_t prefix, PrefixBias policy) {
  const auto [at, fresh] = made_.try_emplace({part, prefix, policy});
  if (fresh) at->second = make_(part, prefix, policy);
  return at->second;
}

Tensor T5::heads_of(const Tensor& padded) const {
  const BackboneSpec& spec = backbone_.spec();
  return padded.view({padded.size(0), padded.size(1), spec.num_heads, spec.d_kv}).transpose(1, 2);
}

RelativeBias T5::relative_bias(Stack stack, const detail::PlanGroup* group) const {
  const int tensor = wiring_.stacks[static_cast<int>(stack)].relative_bias;
  return {sites_.tensor_of(group, tensor), stack == Stack::encoder, backbone_.spec().relative_max_distance};
}

T5::Scores T5::full_scores(Stack stack, bool causal, const Side& side) const {
  return Scores([this, stack, causal, &side](int part, int64_t prefix, PrefixBias policy) {
    const auto range = static_cast<std::size_t>(part < 0 ? 0 : part);
    const int64_t length = part < 0 ? side.map.longest() : side.range_maps[range].longest();
    Tensor scores =
        position_scores(relative_bias(stack, side.rows.ranges[range].group), length, length, prefix, policy);
    // Padded keys stand behind every real query, so the causal mask hides them already.
    const Tensor mask = causal ? causal_mask(length, length, prefix)
                               : length_mask(part < 0 ? side.rows.layout : side.rows.ranges[range].layout, prefix);
    return mask.defined() ? scores + mask.to(scores.device()) : scores;
  });
}

T5::Scores T5::cross_scores(const Side& keys) const {
  return Scores([&keys](int part, int64_t prefix, PrefixBias) {
    return length_mask(part < 0 ? keys.rows.layout : keys.rows.ranges[static_cast<std::size_t>(part)].layout, prefix);
  });
}

bool T5::split(const Rows& rows, const AttentionWire& wire, bool split_for_bias) const {
  if (rows.ranges.size() == 1) return false;
  if (split_for_bias) return true;
  for (const GroupRange& range : rows.ranges) {
    if (range.group && range.group->kv[static_cast<std::size_t>(wire.kv_site)]) return true;
  }
  return false;
}

Tensor T5::attend_part(const Heads& heads, const detail::PlanGroup* group, int part, const AttentionWire& wire,
                       Scores& scores) const {
  Tensor k = heads.k, v = heads.v, bias;
  if (group && group->kv[static_cast<std::size_t>(wire.kv_site)]) {
    const KvPrefix prefix = group->kv[static_cast<std::size_t>(wire.kv_site)]->prefix(context_);
    const Shape shape{k.size(1), prefix.keys.dim() == 3 ? prefix.keys.size(1) : -1, k.size(3)};
    if (prefix.keys.sizes() != at::IntArrayRef(shape) || prefix.values.sizes() != prefix.keys.sizes()) {
      throw ConfigError({"a key/value hook of " + group->method + " returned wrong shapes",
                         c10::str("keys ", prefix.keys.sizes(), ", values ", prefix.values.sizes()),
                         c10::str("[", k.size(1), ", P, ", k.size(3), "] for both"), "fix the hook"});
    }
    const int64_t batch = k.size(0), length = shape[1];
    k = at::cat({prefix.keys.unsqueeze(0).expand({batch, shape[0], length, shape[2]}), k}, 2);
    v = at::cat({prefix.values.unsqueeze(0).expand({batch, shape[0], length, shape[2]}), v}, 2);
    bias = scores(part, length, prefix.bias);
  } else {
    bias = scores(part, 0, PrefixBias::none);
  }
  // No 1/√d_kv: T5 folds it into the initial q.
  const Tensor weights = at::softmax(sum(at::matmul(heads.q, k.transpose(2, 3)), bias), -1);
  return at::matmul(context_.attention_dropout(weights), v);
}

Tensor T5::attend(const Tensor& q, const Side& queries, const Tensor& k, const Tensor& v, const Side& keys,
                  const AttentionWire& wire, Scores& scores, bool split_for_bias) const {
  const auto part = [&](const Tensor& pq, const Tensor& pk, const Tensor& pv, const RowMap& qmap, const RowMap& kmap,
                        int number, const detail::PlanGroup* group) {
    const Heads heads{heads_of(qmap.pad(pq)), heads_of(kmap.pad(pk)), heads_of(kmap.pad(pv))};
    const Tensor out = attend_part(heads, group, number, wire, scores).transpose(1, 2);
    return qmap.unpad(out.reshape({out.size(0), out.size(1), backbone_.spec().inner()}));
  };
  if (!split(queries.rows, wire, split_for_bias)) {
    return part(q, k, v, queries.map, keys.map, -1, queries.rows.ranges.front().group);
  }
  std::vector<Tensor> outs;
  for (std::size_t r = 0; r < queries.rows.ranges.size(); ++r) {
    const GroupRange &from = queries.rows.ranges[r], &to = keys.rows.ranges[r];
    outs.push_back(part(q.narrow(0, from.first_row, from.layout.rows()), k.narrow(0, to.first_row, to.layout.rows()),
                        v.narrow(0, to.first_row, to.layout.rows()), queries.range_maps[r], keys.range_maps[r],
                        static_cast<int>(r), from.group));
  }
  return at::cat(outs);
}

Tensor T5::attention_sublayer(const Tensor& hidden, const Rows& rows, const AttentionWire& wire,
                              const Attend& attend) const {
  const Tensor normed = sites_.rms_norm(hidden, rows, wire.norm);
  const Tensor out = context_.backbone_dropout(sites_.linear(attend(normed), rows, wire.o), rows.layout);
  return hidden + sites_.sublayer(hidden, normed, out, rows, wire.sublayer_site);
}

Tensor T5::feed_forward(const Tensor& hidden, const Rows& rows, const FeedForwardWire& wire) const {
  const BackboneSpec& spec = backbone_.spec();
  const Tensor normed = sites_.rms_norm(hidden, rows, wire.norm);
  Tensor inner = activate(sites_.linear(normed, rows, wire.wi_0), spec.activation);
  if (spec.gated) inner = inner * sites_.linear(normed, rows, wire.wi_1);
  inner = context_.backbone_dropout(inner, rows.layout);
  const Tensor out = context_.backbone_dropout(sites_.linear(inner, rows, wire.wo), rows.layout);
  return hidden + sites_.sublayer(hidden, normed, out, rows, wire.sublayer_site);
}

Tensor T5::run_block(const Tensor& hidden, const Rows& rows, const BlockWire& wire, const Attend& self,
                     const Attend& cross) const {
  Tensor out = sites_.block(hidden, rows, wire.block_site);
  out = attention_sublayer(out, rows, wire.self, self);
  if (cross) out = attention_sublayer(out, rows, wire.cross, cross);
  return feed_forward(out, rows, wire.ffn);
}

Tensor T5::finish_stack(const Tensor& hidden, const Rows& rows, const StackWire& wire) const {
  const Tensor out = sites_.block(hidden, rows, wire.last_block_site);
  const Tensor normed = sites_.rms_norm(out, rows, wire.final_norm);
  if (context_.training()) return context_.backbone_dropout(normed, rows.layout);
  // Training looks at its loss. A square that overflows makes the norm 0, which would hide it.
  require_finite(out.detach().square().mean(-1, true), rows.layout, backbone_, plan_);
  require_finite(normed, rows.layout, backbone_, plan_);
  return normed;
}

Tensor T5::look_up(const PackedTokens& input) const {
  return sites_.embed(input.ids, Rows(input.layout, plan_), wiring_.embedding);
}

Embedded T5::embed(Stack stack, const PackedTokens& input, const Tensor& embeddings) const {
  const Rows rows(input.layout, plan_);
  const Tensor embedded = embeddings.defined() ? embeddings : look_up(input);
  Embedded out = sites_.input(stack, input.ids, {embedded, input.layout}, rows);
  out.embeddings = context_.backbone_dropout(out.embeddings, out.layout);
  return out;
}

EncoderState T5::encode(const PackedTokens& input, const Tensor& embeddings) const {
  Embedded embedded = embed(Stack::encoder, input, embeddings);
  const Side side(std::move(embedded.layout), plan_);
  const StackWire& stack = wiring_.stacks[static_cast<int>(Stack::encoder)];
  const bool split_bias = sites_.has_override(side.rows, stack.relative_bias);
  Scores scores = full_scores(Stack::encoder, false, side);
  Tensor hidden = embedded.embeddings;
  for (const BlockWire& block : stack.blocks) {
    hidden = run_block(hidden, side.rows, block,
                       [&](const Tensor& normed) {
                         const Tensor q = sites_.linear(normed, side.rows, block.self.q);
                         const Tensor k = sites_.linear(normed, side.rows, block.self.k);
                         const Tensor v = sites_.linear(normed, side.rows, block.self.v);
                         return attend(q, side, k, v, side, block.self, scores, split_bias);
                       },
                       {});
  }
  return {finish_stack(hidden, side.rows, stack), side.rows.layout};
}

DecoderState T5::decode(const EncoderState& encoder, const PackedTokens& input, DecodeCache* capture) const {
  Embedded embedded = embed(Stack::decoder, input, {});
  const Side side(std::move(embedded.layout), plan_), source(encoder.layout, plan_);
  const StackWire& stack = wiring_.stacks[static_cast<int>(Stack::decoder)];
  const bool split_bias = sites_.has_override(side.rows, stack.relative_bias);
  Scores scores = full_scores(Stack::decoder, true, side), over_encoder = cross_scores(source);
  Tensor hidden = embedded.embeddings;
  for (const BlockWire& block : stack.blocks) {
    const Attend self = [&](const Tensor& normed) {
      const Tensor q = sites_.linear(normed, side.rows, block.self.q);
      const Tensor k = sites_.linear(normed, side.rows, block.self.k);
      const Tensor v = sites_.linear(normed, side.rows, block.self.v);
      if (capture) {
        capture->self_k.push_back(heads_of(side.map.pad(k)));
        capture->self_v.push_back(heads_of(side.map.pad(v)));
      }
      return attend(q, side, k, v, side, block.self, scores, split_bias);
    };
    const Attend cross = [&](const Tensor& normed) {
      const Tensor q = sites_.linear(normed, side.rows, block.cross.q);
      const Tensor k = sites_.linear(encoder.hidden, source.rows, block.cross.k);
      const Tensor v = sites_.linear(encoder.hidden, source.rows, block.cross.v);
      if (capture) {
        capture->cross_k.push_back(heads_of(source.map.pad(k)).contiguous());
        capture->cross_v.push_back(heads_of(source.map.pad(v)).contiguous());
      }
      return attend(q, side, k, v, source, block.cross, over_encoder, false);
    };
    hidden = run_block(hidden, side.rows, block, self, cross);
  }
  return {finish_stack(hidden, side.rows, stack), side.rows.layout};
}

Tensor T5::head(const DecoderState& state) const {
  const BackboneSpec& spec = backbone_.spec();
  const Rows rows(state.layout, plan_);
  Tensor scores = sites_.head(state.hidden, rows, [&] {
    const Tensor scaled =
        spec.scale_logits ? state.hidden * std::pow(static_cast<double>(spec.d_model), -0.5) : state.hidden;
    return sites_.linear(scaled, rows, wiring_.lm_head);
  });
  if (!context_.training()) require_finite(scores, rows.layout, backbone_, plan_);
  return scores;
}

}  // namespace peftbench::backbone
