#pragma once

#include "backbone/layer.h"

#include <peftbench/layout.h>
#include <peftbench/tensor.h>

namespace peftbench::backbone {

// Between packed rows [N, C] and the padded [B, T, C] that attention works in. Every packed row has one padded
// place, so the gradient of either direction is the other: no scatter-add, and bit-deterministic.
class RowMap {
 public:
  explicit RowMap(const TokenLayout& layout);
  Tensor pad(const Tensor& packed) const;    // [N, C] → [B, T, C], zeros if a sequence has ended
  Tensor unpad(const Tensor& padded) const;  // [B, T, C] → [N, C]
  int64_t batch() const { return batch_; }
  int64_t longest() const { return longest_; }
  bool even() const { return !places_.defined(); }  // all sequences of one length: only a view

 private:
  int64_t batch_ = 0, longest_ = 0;
  Tensor places_;  // [N] row of each packed row among the B·T padded ones
};

}  // namespace peftbench::backbone
