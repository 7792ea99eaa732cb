#pragma once

#include "backbone/backbone.h"
#include "backbone/layer.h"
#include "backbone/layers/block.h"

#include <vector>

namespace peftbench::backbone {

// What decoding has seen so far, for B living sequences.
struct DecodeCache {
  EncoderState encoder;  // what cross-attention reads; its hidden rows are dropped after the first step
  KeptKeys kept;
  Tensor key_positions;  // [B, C] int64; −1 where a column of the kept keys holds nothing
  Tensor next_position;  // [B] int64: of the token that comes next
  bool started() const { return next_position.defined(); }

  // Keeps these sequences, in this order (beams may repeat one; groups must stay sorted).
  void select(const std::vector<int64_t>& sequences);
};

}  // namespace peftbench::backbone
