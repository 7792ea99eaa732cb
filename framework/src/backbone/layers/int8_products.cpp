#include "backbone/layers/int8_products.h"

#include "backbone/layers/frozen_product.h"

#include <utility>

namespace peftbench::backbone {

Int8Products::Int8Products(std::shared_ptr<const Int8Linear> map)
    : map_(std::move(map)), weight_(map_->codes(), map_->scales()) {}

Tensor Int8Products::operator()(const Tensor& x) const {
  return FrozenProduct<Int8Products>::apply(x, shared_from_this());
}

int64_t Int8Products::bytes() const {
  return map_->bytes() + weight_.bytes() + (transposed_ ? transposed_->bytes() : 0);
}

const kernels::Int8Matrix& Int8Products::transposed() const {
  std::call_once(once_,
                 [&] { transposed_.emplace(kernels::Int8Matrix::of(map_->dequantize(at::kFloat).t().contiguous())); });
  return *transposed_;
}

}  // namespace peftbench::backbone
