#pragma once

#include "backbone/decode_cache.h"
#include "backbone/layer.h"
#include "backbone/position_bias.h"
#include "backbone/row_map.h"
#include "backbone/site_calls.h"

#include <functional>
#include <map>
#include <tuple>
#include <vector>

namespace peftbench::backbone {

// One forward pass: a backbone, what a plan does to it, and how it is run.
class T5 {
 public:
  T5(const Backbone& backbone, const CompiledPlan& plan, const RunContext& context);

  Tensor look_up(const PackedTokens& input) const;
  // `embeddings` may be undefined: the ids are looked up.
  Embedded embed(Stack stack, const PackedTokens& input, const Tensor& embeddings) const;
  EncoderState encode(const PackedTokens& input, const Tensor& embeddings) const;
  // `capture` (may be null) receives the keys and values for further steps.
  DecoderState decode(const EncoderState& encoder, const PackedTokens& input, DecodeCache* capture) const;
  DecoderState step(DecodeCache& cache, const Tensor& ids) const;
  Tensor head(const DecoderState& state) const;

 private:
  // One side of an attention: packed rows and their padded form, for the whole batch and for each range.
  struct Side {
    Side(TokenLayout layout, const CompiledPlan& plan);
    Rows rows;
    RowMap map;
    std::vector<RowMap> range_maps;
  };

  // Additive scores by part of the batch (−1: all of it) and prefix; computed once for all layers.
  class Scores {
   public:
    using Make = std::function<Tensor(int part, int64_t prefix, PrefixBias policy)>;
    explicit Scores(Make make) : make_(std::move(make)) {}
    Tensor operator()(int part, int64_t prefix, PrefixBias policy);

   private:
    Make make_;
    std::map<std::tuple<int, int64_t, PrefixBias>, Tensor> made_;
  };

  // What attention reads, as [b, H, T or S, K] of one part of the batch.
  struct Heads {
    Tensor q, k, v;
  };

  using Attend = std::function<Tensor(const Tensor& normed)>;  // [N, D] → context [N, H·K] before `o`

  Tensor run_block(const Tensor& hidden, const Rows& rows, const BlockWire& wire, const Attend& self,
                   const Attend& cross) const;
  Tensor attention_sublayer(const Tensor& hidden, const Rows& rows, const AttentionWire& wire,
                            const Attend& attend) const;
  Tensor feed_forward(const Tensor& hidden, const Rows& rows, const FeedForwardWire& wire) const;
  Tensor finish_stack(const Tensor& hidden, const Rows& rows, const StackWire& wire) const;

  // Attention of packed q over packed k and v.
  Tensor attend(const Tensor& q, const Side& queries, const Tensor& k, const Tensor& v, const Side& keys,
                const AttentionWire& wire, Scores& scores, bool split_for_bias) const;
  Tensor attend_part(const Heads& heads, const detail::PlanGroup* group, int part, const AttentionWire& wire,
                     Scores& scores) const;
  bool split(const Rows& rows, const AttentionWire& wire, bool split_for_bias) const;
  RelativeBias relative_bias(Stack stack, const detail::PlanGroup* group) const;
  Scores full_scores(Stack stack, bool causal, const Side& side) const;
  Scores cross_scores(const Side& keys) const;
  Scores step_scores(const Rows& rows, const DecodeCache& cache) const;
  Tensor heads_of(const Tensor& padded) const;  // [B, T, H·K] → [B, H, T, K]

  const Backbone& backbone_;
  const CompiledPlan& plan_;
  const RunContext& context_;
  const Wiring& wiring_;
  SiteCalls sites_;
};

}  // namespace peftbench::backbone
