#include "backbone/layers/attention_scores.h"

#include <peftbench/error.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <limits>

namespace peftbench::backbone {
namespace {

std::size_t range_of(int part) { return static_cast<std::size_t>(part < 0 ? 0 : part); }

int64_t longest(const Rows& rows, int part) { return (part < 0 ? rows.map() : rows.map(range_of(part))).longest(); }

const TokenLayout& layout_of(const Rows& rows, int part) {
  return part < 0 ? rows.layout() : rows.ranges()[range_of(part)].layout;
}

// Of one query each at `queries` [B] over `columns` [B, S] of positions, −1: nothing is there → [B, H, 1, P + S].
Tensor single_scores(const RelativeBias& bias, const Tensor& queries, const Tensor& columns, int64_t prefix,
                     PrefixBias policy) {
  const Tensor empty = columns < 0;
  Tensor scores = position_scores(bias, queries, at::where(empty, queries.unsqueeze(1), columns));
  scores = scores.masked_fill(empty.unsqueeze(1).unsqueeze(1), std::numeric_limits<float>::lowest() / 2);
  if (prefix == 0) return scores;
  const int64_t count = columns.size(0);
  const Tensor before = at::arange(-prefix, 0, columns.options()).unsqueeze(0).expand({count, prefix});
  const Tensor prefix_scores = policy == PrefixBias::before_sequence
                                   ? position_scores(bias, queries, before)
                                   : at::zeros({count, scores.size(1), 1, prefix}, scores.options());
  return at::cat({prefix_scores, scores}, 3);
}

Tensor sum(const Tensor& a, const Tensor& b) { return !a.defined() ? b : b.defined() ? a + b : a; }

}  // namespace

RelativeBias PositionBias::of(const detail::PlanGroup* group) const {
  const Tensor replaced = stand_in(group, parameter_);
  return {replaced.defined() ? replaced : table_->value(), bidirectional_, max_distance_};
}

AttentionScores::~AttentionScores() = default;

const Tensor& AttentionScores::of(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) {
  const auto [at, fresh] = made_.try_emplace({bias, part, prefix, policy});
  if (fresh) at->second = make(bias, part, prefix, policy);
  return at->second;
}

const Tensor& AttentionScores::packed(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) {
  const auto [at, fresh] = packed_.try_emplace({bias, part, prefix, policy});
  if (fresh) at->second = make_packed(bias, part, prefix, policy);
  return at->second;
}

int64_t SelfScores::keys(int part) const { return longest(rows_, part); }

Tensor SelfScores::make(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const {
  // Padded keys stand behind every real query, so the causal mask hides them already.
  const Tensor scores = make_packed(bias, part, prefix, policy);
  return causal_ ? scores : sum(scores, length_mask(layout_of(rows_, part), prefix));
}

Tensor SelfScores::make_packed(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const {
  const int64_t length = longest(rows_, part);
  Tensor scores;
  if (bias != nullptr)
    scores = position_scores(bias->of(rows_.ranges()[range_of(part)].group), length, length, prefix, policy);
  return causal_ ? sum(scores, causal_mask(length, length, prefix, rows_.layout().device)) : scores;
}

int64_t CrossScores::keys(int part) const { return longest(encoder_, part); }

Tensor CrossScores::make(const PositionBias*, int part, int64_t prefix, PrefixBias) const {
  return length_mask(layout_of(encoder_, part), prefix);
}

Tensor CrossScores::make_packed(const PositionBias*, int, int64_t, PrefixBias) const { return {}; }

// Of what decoding has kept there are padded columns.
Tensor StepScores::make_packed(const PositionBias*, int, int64_t, PrefixBias) const {
  throw Error("kept keys are not packed");
}

Tensor StepScores::make(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const {
  const GroupRange& range = rows_.ranges()[range_of(part)];
  const int64_t first = part < 0 ? 0 : range.first_sequence;
  const int64_t count = part < 0 ? rows_.layout().sequences() : range.layout.sequences();
  return single_scores(bias->of(range.group), next_position_.narrow(0, first, count),
                       key_positions_.narrow(0, first, count), prefix, policy);
}

TreeScores::TreeScores(const Rows& rows, const TokenTree& tree) : rows_(rows) {
  const auto nodes = static_cast<std::size_t>(tree.size());
  std::vector<int64_t> positions(nodes), columns(nodes * nodes, -1);
  for (std::size_t t = 0; t < nodes; ++t) {
    const int64_t parent = tree.parents[t];
    positions[t] = parent < 0 ? 0 : positions[static_cast<std::size_t>(parent)] + 1;
    for (int64_t above = static_cast<int64_t>(t); above >= 0; above = tree.parents[static_cast<std::size_t>(above)])
      columns[t * nodes + static_cast<std::size_t>(above)] = positions[static_cast<std::size_t>(above)];
  }
  const c10::Device device = rows.layout().device;
  positions_ = at::tensor(positions, at::kLong).to(device);
  key_positions_ = at::tensor(columns, at::kLong).view({tree.size(), tree.size()}).to(device);
}

// No row is padding.
Tensor TreeScores::make(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const {
  return make_packed(bias, part, prefix, policy);
}

Tensor TreeScores::make_packed(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const {
  const RelativeBias relative = bias->of(rows_.ranges()[range_of(part)].group);
  return single_scores(relative, positions_, key_positions_, prefix, policy).permute({2, 1, 0, 3}).contiguous();
}

}  // namespace peftbench::backbone
