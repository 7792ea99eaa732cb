#pragma once

#include "backbone/layer.h"
#include "backbone/layers/frozen_tensor.h"
#include "backbone/layers/position_bias.h"
#include "backbone/layers/rows.h"
#include "backbone/token_tree.h"

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

namespace peftbench::backbone {

// The relative position bias [buckets, H] of a self-attention, or of all those of a stack.
class PositionBias {
 public:
  PositionBias(int parameter, std::shared_ptr<const FrozenTensor> table, bool bidirectional, int64_t max_distance)
      : parameter_(parameter), table_(std::move(table)), bidirectional_(bidirectional), max_distance_(max_distance) {}
  RelativeBias of(const detail::PlanGroup* group) const;  // with what the plan trains in its place
  bool differs(const Rows& rows) const { return has_stand_in(rows, parameter_); }  // between plans

 private:
  int parameter_;
  std::shared_ptr<const FrozenTensor> table_;
  bool bidirectional_;
  int64_t max_distance_;
};

// What is added to q·k before the softmax: relative positions, and a very negative number for what must not be seen.
// Made once for each part of the batch, bias and prefix: layers share it. A part is a range of Rows, or the whole
// batch.
class AttentionScores {
 public:
  static constexpr int whole = -1;
  virtual ~AttentionScores();
  // [1 or b, 1 or H, T, P + S]; undefined: nothing is added. `bias` is null in cross-attention.
  const Tensor& of(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy);
  // The same for packed rows, of which none is padding: [1, H, T, P + S] for the longest sequence.
  const Tensor& packed(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy);
  virtual int64_t keys(int part) const = 0;  // S

 private:
  using Made = std::map<std::tuple<const PositionBias*, int, int64_t, PrefixBias>, Tensor>;
  virtual Tensor make(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const = 0;
  virtual Tensor make_packed(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const = 0;
  Made made_, packed_;
};

// Of all positions of the rows over the same rows: the encoder, and the decoder in teacher forcing.
class SelfScores final : public AttentionScores {
 public:
  SelfScores(const Rows& rows, bool causal) : rows_(rows), causal_(causal) {}
  int64_t keys(int part) const override;

 private:
  Tensor make(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const override;
  Tensor make_packed(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const override;
  const Rows& rows_;
  bool causal_;
};

// Of the decoder over the rows of the encoder.
class CrossScores final : public AttentionScores {
 public:
  explicit CrossScores(const Rows& encoder) : encoder_(encoder) {}
  int64_t keys(int part) const override;

 private:
  Tensor make(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const override;
  Tensor make_packed(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const override;
  const Rows& encoder_;
};

// Of one query a sequence over the keys that decoding has kept. `next_position` [B], `key_positions` [B, S], −1 where a
// column holds nothing.
class StepScores final : public AttentionScores {
 public:
  StepScores(const Rows& rows, Tensor next_position, Tensor key_positions)
      : rows_(rows), next_position_(std::move(next_position)), key_positions_(std::move(key_positions)) {}
  int64_t keys(int) const override { return key_positions_.size(1); }

 private:
  Tensor make(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const override;
  Tensor make_packed(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const override;
  const Rows& rows_;
  Tensor next_position_, key_positions_;
};

// Of the nodes of a tree, one tree a sequence, each over itself and those above it.
class TreeScores final : public AttentionScores {
 public:
  TreeScores(const Rows& rows, const TokenTree& tree);
  int64_t keys(int) const override { return positions_.size(0); }

 private:
  Tensor make(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const override;
  Tensor make_packed(const PositionBias* bias, int part, int64_t prefix, PrefixBias policy) const override;
  const Rows& rows_;
  Tensor positions_, key_positions_;  // [T], [T, T]: −1 where a node does not see another
};

}  // namespace peftbench::backbone
