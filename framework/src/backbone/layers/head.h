#pragma once

#include "backbone/layer.h"
#include "backbone/layers/linear.h"

#include <utility>

namespace peftbench::backbone {

// Decoder states → logits over the vocabulary, or what the hook of the head makes of them.
class Head {
 public:
  // `scale` of the states before the map: D^-½ where the architecture has it, else 1.
  Head(Linear map, double scale, int64_t vocabulary) : map_(std::move(map)), scale_(scale), vocabulary_(vocabulary) {}
  Tensor operator()(const Tensor& hidden, const Rows& rows) const;  // [N, D] → [N, V] fp32, or [B, C]

 private:
  Linear map_;
  double scale_;
  int64_t vocabulary_;
};

}  // namespace peftbench::backbone
