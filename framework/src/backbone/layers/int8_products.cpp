#include "backbone/layers/int8_products.h"

#include "backbone/kernels/function_parts.h"

#include <utility>

namespace peftbench::backbone {
namespace {

struct Int8Product final : torch::autograd::Function<Int8Product> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const std::shared_ptr<const Int8Products>& map) {
    kernels::keep(context, map);
    return map->weight().multiply(x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto& map = kernels::kept<std::shared_ptr<const Int8Products>>(context);
    return {map->transposed().multiply(gradients.front()), Tensor()};
  }
};

}  // namespace

Int8Products::Int8Products(std::shared_ptr<const Int8Linear> map)
    : map_(std::move(map)), weight_(map_->codes(), map_->scales()) {}

Tensor Int8Products::operator()(const Tensor& x) const { return Int8Product::apply(x, shared_from_this()); }

int64_t Int8Products::bytes() const {
  return map_->bytes() + weight_.bytes() + (transposed_ ? transposed_->bytes() : 0);
}

const kernels::Int8Matrix& Int8Products::transposed() const {
  std::call_once(once_,
                 [&] { transposed_.emplace(kernels::Int8Matrix::of(map_->dequantize(at::kFloat).t().contiguous())); });
  return *transposed_;
}

}  // namespace peftbench::backbone
