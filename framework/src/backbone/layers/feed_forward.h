#pragma once

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
  Tensor operator()(const Tensor& x, const Rows& rows) const;  // [N, D] → [N, D]

 private:
  Linear wi_;
  std::optional<Linear> gated_;  // wi_1
  Linear wo_;
  Activation activation_;
  Backend backend_;
};

}  // namespace peftbench::backbone
