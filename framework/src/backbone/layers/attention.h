#pragma once

#include "backbone/layer.h"
#include "backbone/layers/attention_scores.h"
#include "backbone/layers/linear.h"
#include "backbone/layers/rms_norm.h"
#include "backbone/precision.h"

#include <peftbench/spec.h>

#include <memory>
#include <optional>

namespace peftbench::backbone {

// Keys and values of one attention [B, H, S, K], without any prefix.
struct KeyValues {
  Tensor keys, values;
  bool empty() const { return !keys.defined(); }
};

// The rows that cross-attention reads.
struct EncoderRows {
  Tensor hidden;  // [M, D]
  const Rows& rows;
};

// softmax(s · q kᵀ + scores) v over H heads, between its four maps. `kept` (may be null) is what decoding keeps of this
// attention between steps.
class Attention {
 public:
  struct Maps {
    Linear q, k, v, o;
  };
  // `bias` is null where scores do not depend on positions.
  // `products`: the type in which the fast backend multiplies queries, keys, weights and values.
  Attention(Maps maps, KvSite site, std::shared_ptr<const PositionBias> bias, double scale, Backend backend,
            at::ScalarType products = at::kFloat);

  // x [N, D] over itself and what was kept, which it extends → [N, H·K], before the last map.
  Tensor over_itself(const NormedRows& x, const Rows& rows, AttentionScores& scores, KeyValues* kept) const;
  // x [N, D] over the encoder's rows, or over what was kept of them.
  Tensor over_encoder(const NormedRows& x, const Rows& rows, const EncoderRows& encoder, AttentionScores& scores,
                      KeyValues* kept) const;
  const Linear& output() const { return maps_.o; }

 private:
  Tensor heads_of(const Tensor& packed, const Rows& rows) const;  // [N, H·K] → [B, H, T, K]
  // [N, H·K]
  Tensor attend(const Tensor& q, const KeyValues& memory, const Rows& rows, AttentionScores& scores) const;
  // The same of one part of the batch, [b, H, T, K].
  Tensor attend_part(const Tensor& q, const KeyValues& memory, const detail::PlanGroup* group, int part,
                     const RunContext& context, AttentionScores& scores) const;
  bool plans_differ(const Rows& rows) const;
  // The same from packed rows: q [N, H·K] of `rows`, keys and values [M, H·K] of `sources`.
  Tensor attend_packed(const Tensor& q, const KeyValues& packed, const Rows& rows, const Rows& sources,
                       AttentionScores& scores) const;

  // Whether x of the encoder is cheaper to attend to than its keys are to make, where the fast backend may choose.
  bool reads_rows(const Tensor& q, const Rows& rows, const EncoderRows& encoder) const;
  Tensor attend_rows(const Tensor& q, const Rows& rows, const EncoderRows& encoder, AttentionScores& scores) const;

  Maps maps_;
  KvSite site_;
  std::shared_ptr<const PositionBias> bias_;
  double scale_;
  Backend backend_;
  at::ScalarType products_;
};

}  // namespace peftbench::backbone
