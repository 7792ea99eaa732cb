#include "backbone/t5.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <limits>

namespace peftbench::backbone {

void DecodeCache::select(const std::vector<int64_t>& sequences) {
  std::vector<int64_t> copy = sequences;
  const Tensor index = at::from_blob(copy.data(), {static_cast<int64_t>(copy.size())}, at::kLong);
  for (auto* tensors : {&self_k, &self_v, &cross_k, &cross_v}) {
    for (Tensor& tensor : *tensors) tensor = tensor.index_select(0, index.to(tensor.device()));
  }
  key_positions = key_positions.index_select(0, index);
  next_position = next_position.index_select(0, index);
  std::vector<int64_t> lengths, groups, replicas;
  for (int64_t s : sequences) {
    const auto at = static_cast<std::size_t>(s);
    lengths.push_back(encoder.layout.lengths[at]);
    groups.push_back(encoder.layout.groups[at]);
    replicas.push_back(encoder.layout.replicas[at]);
  }
  encoder.layout = TokenLayout::of(std::move(lengths), std::move(groups), std::move(replicas));
  // The longest encoder sequences may have left: what is padding for all who stay goes.
  int64_t longest = 0;
  for (int64_t length : encoder.layout.lengths) longest = std::max(longest, length);
  for (auto* tensors : {&cross_k, &cross_v}) {
    for (Tensor& tensor : *tensors) tensor = tensor.narrow(2, 0, longest);
  }
}

T5::Scores T5::step_scores(const Rows& rows, const DecodeCache& cache) const {
  return Scores([this, &rows, &cache](int part, int64_t prefix, PrefixBias policy) {
    const GroupRange& range = rows.ranges[static_cast<std::size_t>(part < 0 ? 0 : part)];
    const int64_t first = part < 0 ? 0 : range.first_sequence;
    const int64_t count = part < 0 ? rows.layout.sequences() : range.layout.sequences();
    const Tensor queries = cache.next_position.narrow(0, first, count);
    const Tensor columns = cache.key_positions.narrow(0, first, count);
    const RelativeBias bias = relative_bias(Stack::decoder, range.group);
    Tensor scores = position_scores(bias, queries, at::where(columns < 0, queries.unsqueeze(1), columns));
    scores = scores.masked_fill((columns < 0).unsqueeze(1).unsqueeze(1).to(scores.device()),
                                std::numeric_limits<float>::lowest() / 2);
    if (prefix == 0) return scores;
    const Tensor before = at::arange(-prefix, 0, at::kLong).unsqueeze(0).expand({count, prefix});
    const Tensor prefix_scores = policy == PrefixBias::before_sequence
                                     ? position_scores(bias, queries, before)
                                     : at::zeros({count, scores.size(1), 1, prefix}, scores.options());
    return at::cat({prefix_scores, scores}, 3);
  });
}

DecoderState T5::step(DecodeCache& cache, const Tensor& ids) const {
  const std::vector<int64_t> ones(static_cast<std::size_t>(ids.size(0)), 1);
  const TokenLayout layout = TokenLayout::of(ones, cache.encoder.layout.groups, cache.encoder.layout.replicas);
  if (!cache.started()) {
    // The first pass may be longer than one token: a decoder input hook adds its prompt here and only here.
    DecoderState state = decode(cache.encoder, {ids, layout}, &cache);
    const int64_t longest = cache.self_k.front().size(2);
    std::vector<int64_t> lengths = state.layout.lengths;
    cache.next_position = at::from_blob(lengths.data(), {static_cast<int64_t>(lengths.size())}, at::kLong).clone();
    const Tensor places = at::arange(longest, at::kLong).unsqueeze(0).expand({ids.size(0), longest});
    cache.key_positions = at::where(places < cache.next_position.unsqueeze(1), places, at::full({1}, -1, at::kLong));
    cache.encoder.hidden = Tensor();
    return {state.hidden.index_select(0, state.layout.last_rows().to(state.hidden.device())), layout};
  }

  const Rows rows(layout, plan_);
  const Side source(cache.encoder.layout, plan_);
  cache.key_positions = at::cat({cache.key_positions, cache.next_position.unsqueeze(1)}, 1);
  const StackWire& stack = wiring_.stacks[static_cast<int>(Stack::decoder)];
  const bool split_bias = sites_.has_override(rows, stack.relative_bias);
  Scores scores = step_scores(rows, cache), over_encoder = cross_scores(source);

  // One query a sequence: [B, H·K] → [b, H, 1, K] of each part. `from`: of cross-attention, whose keys they are.
  const auto attend_step = [&](const Tensor& q, const Tensor& k, const Tensor& v, const AttentionWire& wire,
                               Scores& bias, bool split_for_bias, const Side* from) {
    const Tensor heads = heads_of(q.unsqueeze(1));
    Tensor out;
    if (!split(rows, wire, split_for_bias)) {
      out = attend_part({heads, k, v}, rows.ranges.front().group, -1, wire, bias);
    } else {
      std::vector<Tensor> parts;
      for (std::size_t r = 0; r < rows.ranges.size(); ++r) {
        const GroupRange& range = rows.ranges[r];
        const int64_t first = range.first_sequence, count = range.layout.sequences();
        // Cross-attention scores are made for the part's own longest source.
        const int64_t keys = from ? from->range_maps[r].longest() : k.size(2);
        parts.push_back(attend_part({heads.narrow(0, first, count), k.narrow(0, first, count).narrow(2, 0, keys),
                                     v.narrow(0, first, count).narrow(2, 0, keys)},
                                    range.group, static_cast<int>(r), wire, bias));
      }
      out = at::cat(parts);
    }
    return out.reshape({q.size(0), backbone_.spec().inner()});
  };

  Tensor hidden = sites_.embed(ids, rows, wiring_.embedding);
  for (std::size_t l = 0; l < stack.blocks.size(); ++l) {
    const BlockWire& block = stack.blocks[l];
    const Attend self = [&](const Tensor& normed) {
      const auto grow = [&](Tensor& cached, const LinearWire& wire) {
        cached = at::cat({cached, heads_of(sites_.linear(normed, rows, wire).unsqueeze(1))}, 2);
      };
      grow(cache.self_k[l], block.self.k);
      grow(cache.self_v[l], block.self.v);
      return attend_step(sites_.linear(normed, rows, block.self.q), cache.self_k[l], cache.self_v[l], block.self,
                         scores, split_bias, nullptr);
    };
    const Attend cross = [&](const Tensor& normed) {
      return attend_step(sites_.linear(normed, rows, block.cross.q), cache.cross_k[l], cache.cross_v[l], block.cross,
                         over_encoder, false, &source);
    };
    hidden = run_block(hidden, rows, block, self, cross);
  }
  hidden = finish_stack(hidden, rows, stack);
  cache.next_position = cache.next_position + 1;
  return {hidden, layout};
}

}  // namespace peftbench::backbone
