#pragma once

#include "backbone/kernels/segments.h"
#include "backbone/layer.h"
#include "backbone/layers/linear.h"
#include "backbone/precision.h"

#include <peftbench/spec.h>

#include <optional>

namespace peftbench::backbone {

// wo(act(wi x)), or gated (Shazeer 2020) wo(act(wi_0 x) ⊙ wi_1 x).
class FeedForward {
 public:
  FeedForward(Linear wi, std::optional<Linear> gated, Linear wo, Activation activation, Backend backend);
  Tensor operator()(const Tensor& x, const Rows& rows) const;  // [N, D] → [N, d_ff], before its last map
  const Linear& output() const { return wo_; }
  // All of it behind a frozen norm, where no plan claims a map.
  std::optional<kernels::FeedForwardParts> frozen(const Rows& rows, const kernels::Norm& norm) const;

 private:
  Linear wi_;
  std::optional<Linear> gated_;  // wi_1
  Linear wo_;
  Activation activation_;
  Backend backend_;
};

}  // namespace peftbench::backbone
