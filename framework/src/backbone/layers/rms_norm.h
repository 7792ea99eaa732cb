#pragma once

#include "backbone/layer.h"
#include "backbone/layers/frozen_tensor.h"
#include "backbone/layers/rows.h"
#include "backbone/precision.h"

#include <memory>
#include <utility>

namespace peftbench::backbone {

// y = w ⊙ x · rsqrt(mean(x²) + ε), in fp32, without a mean and without a bias (Zhang and Sennrich 2019).
class RmsNorm {
 public:
  RmsNorm(int parameter, std::shared_ptr<const FrozenTensor> scale, double epsilon, Backend backend)
      : parameter_(parameter), scale_(std::move(scale)), epsilon_(epsilon), backend_(backend) {}
  Tensor operator()(const Tensor& x, const Rows& rows) const;  // [N, D] → [N, D]

 private:
  Tensor normed(const Tensor& x) const;  // without w

  int parameter_;
  std::shared_ptr<const FrozenTensor> scale_;  // [D]
  double epsilon_;
  Backend backend_;
};

}  // namespace peftbench::backbone
