#pragma once

#include "backbone/kernels/frozen_matrix.h"
#include "backbone/layer.h"
#include "backbone/layers/frozen_linear.h"
#include "backbone/layers/rows.h"

#include <peftbench/spec.h>

#include <memory>

namespace peftbench::backbone {

// A linear map at its site: the frozen map, what a plan trains in its place, and the hook.
class Linear {
 public:
  // `parameter`: index of its tensor's ParameterSite.
  Linear(LinearSite site, int parameter, std::shared_ptr<const FrozenLinear> frozen);
  // [N, in] → [N, out]. `base`: what the frozen map gives, where it is known; undefined elsewhere.
  Tensor operator()(const Tensor& x, const Rows& rows, const Tensor& base = {}) const;
  // A plan has a hook or a weight of its own here.
  bool claimed(const Rows& rows) const;
  // Its tiles, where no plan has a weight of its own here; null elsewhere, and where it has none.
  std::shared_ptr<const kernels::FrozenMap> tiles(const Rows& rows) const;
  // The same, where no plan has a hook either.
  std::shared_ptr<const kernels::FrozenMap> frozen(const Rows& rows) const { return claimed(rows) ? nullptr : tiles_; }

 private:
  LinearSite site_;
  int parameter_;
  std::shared_ptr<const FrozenLinear> frozen_;
  std::shared_ptr<const kernels::FrozenMap> tiles_;  // may be null
};

// The table of token embeddings at its site.
class Embedding {
 public:
  Embedding(LinearSite site, int parameter, std::shared_ptr<const FrozenTensor> table);
  Tensor operator()(const Tensor& ids, const Rows& rows) const;  // [N] → [N, D]; rows of slots are zeros

 private:
  LinearSite site_;
  int parameter_;
  std::shared_ptr<const FrozenTensor> table_;  // [V, D]
};

}  // namespace peftbench::backbone
