#pragma once

#include "backbone/backbone.h"
#include "backbone/layer.h"

#include <vector>

namespace peftbench::backbone {

// Keys and values that decoding has seen so far, by layer and without any prefix, for B living sequences.
struct DecodeCache {
  EncoderState encoder;                  // what cross-attention reads; its hidden rows are dropped after the first step
  std::vector<Tensor> self_k, self_v;    // [B, H, C, K]
  std::vector<Tensor> cross_k, cross_v;  // [B, H, S, K]
  Tensor key_positions;                  // [B, C] int64; −1 where a column holds nothing
  Tensor next_position;                  // [B] int64: of the token that comes next
  bool started() const { return next_position.defined(); }

  // Keeps these sequences, in this order (beams may repeat one; groups must stay sorted).
  void select(const std::vector<int64_t>& sequences);
};

}  // namespace peftbench::backbone
