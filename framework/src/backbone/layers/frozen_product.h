#pragma once

#include "backbone/kernels/function_parts.h"
#include "backbone/layer.h"

#include <memory>

namespace peftbench::backbone {

// x Wᵀ of a map that keeps its matrix as `weight()`, and for the gradient of x once more as `transposed()`. The graph
// keeps the map alone.
template <class Map>
struct FrozenProduct final : torch::autograd::Function<FrozenProduct<Map>> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const std::shared_ptr<const Map>& map) {
    kernels::keep(context, map);
    return map->weight().multiply(x.contiguous());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto& map = kernels::kept<std::shared_ptr<const Map>>(context);
    return {map->transposed().multiply(gradients.front().contiguous()), Tensor()};
  }
};

}  // namespace peftbench::backbone
