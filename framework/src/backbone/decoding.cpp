#include "backbone/decode_cache.h"
#include "backbone/network.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <utility>

namespace peftbench::backbone {
namespace {

// One row for each sequence.
TokenLayout single_rows(const TokenLayout& sequences) {
  return TokenLayout::of(std::vector<int64_t>(sequences.lengths.size(), 1), sequences.groups, sequences.replicas)
      .to(sequences.device);
}

}  // namespace

void DecodeCache::select(const std::vector<int64_t>& sequences) {
  std::vector<int64_t> copy = sequences;
  const Tensor index =
      at::from_blob(copy.data(), {static_cast<int64_t>(copy.size())}, at::kLong).to(encoder.layout.device);
  std::vector<int64_t> lengths, groups, replicas;
  for (int64_t s : sequences) {
    const auto at = static_cast<std::size_t>(s);
    lengths.push_back(encoder.layout.lengths[at]);
    groups.push_back(encoder.layout.groups[at]);
    replicas.push_back(encoder.layout.replicas[at]);
  }
  const int64_t longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  encoder.layout =
      TokenLayout::of(std::move(lengths), std::move(groups), std::move(replicas)).to(encoder.layout.device);
  key_positions = key_positions.index_select(0, index);
  next_position = next_position.index_select(0, index);
  for (auto* layers : {&kept.self, &kept.cross})
    for (KeyValues& layer : *layers) layer = {layer.keys.index_select(0, index), layer.values.index_select(0, index)};
  // The longest encoder sequences may have left: what is padding for all who stay goes.
  for (KeyValues& layer : kept.cross) layer = {layer.keys.narrow(2, 0, longest), layer.values.narrow(2, 0, longest)};
}

std::unique_ptr<DecodeCache> Backbone::begin_decoding(const EncoderState& encoder) const {
  auto cache = std::make_unique<DecodeCache>();
  cache->encoder = {encoder.hidden, encoder.layout.to(device())};
  cache->kept.self.resize(network_->decoder.layers());
  cache->kept.cross.resize(network_->decoder.layers());
  return cache;
}

Tensor Backbone::decode_step(DecodeCache& cache, const Tensor& ids, const CompiledPlan& plan,
                             const RunContext& context) const {
  const Pass run = pass(plan, context);
  const DecoderState state = cache.started() ? next_step(cache, ids, run) : first_step(cache, ids, run);
  return network_->head(state.hidden, Rows(state.layout, run));
}

// May be longer than one token: a decoder input hook adds its prompt here and only here.
DecoderState Backbone::first_step(DecodeCache& cache, const Tensor& ids, const Pass& pass) const {
  const TokenLayout layout = single_rows(cache.encoder.layout);
  const DecoderState state = decode(cache.encoder, {ids, layout}, pass, &cache.kept);
  const int64_t longest = cache.kept.self.front().keys.size(2);
  std::vector<int64_t> lengths = state.layout.lengths;
  cache.next_position = at::from_blob(lengths.data(), {static_cast<int64_t>(lengths.size())}, at::kLong)
                            .to(device(), at::kLong, false, /*copy=*/true);
  const auto options = cache.next_position.options();
  const Tensor places = at::arange(longest, options).unsqueeze(0).expand({ids.size(0), longest});
  cache.key_positions = at::where(places < cache.next_position.unsqueeze(1), places, at::full({1}, -1, options));
  cache.encoder.hidden = Tensor();
  return {state.hidden.index_select(0, state.layout.last_rows()), layout};
}

DecoderState Backbone::next_step(DecodeCache& cache, const Tensor& ids, const Pass& pass) const {
  const Rows rows(single_rows(cache.encoder.layout), pass), source(cache.encoder.layout, pass);
  cache.key_positions = at::cat({cache.key_positions, cache.next_position.unsqueeze(1)}, 1);
  StepScores self(rows, cache.next_position, cache.key_positions);
  CrossScores cross(source);
  const EncoderRows memory{cache.encoder.hidden, source};
  const Tensor hidden =
      network_->decoder(network_->embedding(ids.to(device()), rows), {rows, self, &memory, &cross, &cache.kept});
  cache.next_position = cache.next_position + 1;
  return {hidden, rows.layout()};
}

}  // namespace peftbench::backbone
