#pragma once

#include "backbone/dropout_mask.h"
#include "backbone/kernels/frozen_matrix.h"
#include "backbone/layer.h"

#include <peftbench/spec.h>
#include <peftbench/tensor.h>

#include <memory>
#include <vector>

// Parts of a block whose weights are all frozen, on the CPU, of packed rows [N, D] fp32. Each goes through the rows in
// runs that stay in a core's cache, forward and for the gradient of its inputs.
namespace peftbench::backbone::kernels {

// w ⊙ x · rsqrt(mean(x²) + ε) of rows. An undefined w [D]: no norm at all, x itself.
struct Norm {
  Tensor scale = {};
  double epsilon = 0;
};

// norm(x) Wᵀ of each map [N, out], and norm(x) [N, D] behind them where it is asked for: Error without a norm.
std::vector<Tensor> products(const Tensor& x, const Norm& norm, const FrozenMaps& maps, bool normed = false);

// x [N, H·in] through H matrices of the same sizes [N, H·out], without a gradient.
Tensor multiply_rows(const Tensor& x, const std::vector<const FrozenMatrix*>& matrices);

// x [N, H·in] through a map of its own for each head [N, H·out]; `transposed`: through W instead of Wᵀ.
Tensor products_by_head(const Tensor& x, const FrozenMaps& heads, bool transposed);

// x + mask ⊙ y Wᵀ; the masks may be null.
Tensor add_product(const Tensor& x, const Tensor& y, const std::shared_ptr<const FrozenMap>& map,
                   std::shared_ptr<const RowMasks> masks);

struct FeedForwardParts {
  Norm norm;
  std::shared_ptr<const FrozenMap> wi, gate, wo;  // the gate may be null
  Activation activation = Activation::relu;       // with a kernel
  std::shared_ptr<const RowMasks> inner = nullptr, outer = nullptr;
};
// x + outer ⊙ wo(inner ⊙ act(wi norm(x)) ⊙ gate norm(x)).
Tensor add_feed_forward(const Tensor& x, FeedForwardParts parts);

}  // namespace peftbench::backbone::kernels
