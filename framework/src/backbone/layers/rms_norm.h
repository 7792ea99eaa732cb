#pragma once

#include "backbone/kernels/segments.h"
#include "backbone/layer.h"
#include "backbone/layers/frozen_tensor.h"
#include "backbone/layers/linear.h"
#include "backbone/layers/rows.h"
#include "backbone/precision.h"

#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace peftbench::backbone {

// y = w ⊙ x · rsqrt(mean(x²) + ε), in fp32, without a mean and without a bias (Zhang and Sennrich 2019).
class RmsNorm {
 public:
  RmsNorm(int parameter, std::shared_ptr<const FrozenTensor> scale, double epsilon, Backend backend)
      : parameter_(parameter), scale_(std::move(scale)), epsilon_(epsilon), backend_(backend) {}
  Tensor operator()(const Tensor& x, const Rows& rows) const;  // [N, D] → [N, D]
  // What it is where no plan trains a scale in its place, on the fast backend.
  std::optional<kernels::Norm> frozen(const Rows& rows) const;

 private:
  Tensor normed(const Tensor& x) const;  // without w

  int parameter_;
  std::shared_ptr<const FrozenTensor> scale_;  // [D]
  double epsilon_;
  Backend backend_;
};

// The input of a sublayer: rows, and what their norm is. Where nothing needs the normed rows themselves, they are never
// in memory.
class NormedRows {
 public:
  NormedRows(const Tensor& x, const RmsNorm& norm, const Rows& rows) : x_(x), norm_(norm), rows_(rows) {}
  const Tensor& operator()() const;  // [N, D]
  // Each map of them [N, out].
  std::vector<Tensor> through(std::initializer_list<const Linear*> maps) const;

 private:
  const Tensor& x_;
  const RmsNorm& norm_;
  const Rows& rows_;
  mutable Tensor normed_;
};

// x through each map: together, where none of them is claimed.
std::vector<Tensor> through(const Tensor& x, const Rows& rows, std::initializer_list<const Linear*> maps);

}  // namespace peftbench::backbone
