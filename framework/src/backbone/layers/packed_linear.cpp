#include "backbone/layers/packed_linear.h"

#include "backbone/layers/frozen_product.h"

#include <c10/core/ScalarType.h>

#include <utility>

namespace peftbench::backbone {

PackedLinear::PackedLinear(const Tensor& weight) : type_(weight.scalar_type()), weight_(weight) {}

Tensor PackedLinear::operator()(const Tensor& x) const {
  return FrozenProduct<PackedLinear>::apply(x.to(type_), shared_from_this()).to(at::kFloat);
}

Tensor PackedLinear::multiply(const Tensor& x, const Tensor& weight) const { return product(x, weight, type_); }

std::string PackedLinear::form() const { return c10::toString(type_); }

int64_t PackedLinear::bytes() const { return weight_.bytes() * (transposed_ ? 2 : 1); }

std::shared_ptr<const FrozenLinear> dense_linear(Tensor weight, at::ScalarType arithmetic, Backend backend) {
  if (backend == Backend::fast && weight.scalar_type() == arithmetic)
    return std::make_shared<const PackedLinear>(weight);
  return std::make_shared<const DenseLinear>(std::move(weight), arithmetic);
}

const kernels::PackedMatrix& PackedLinear::transposed() const {
  std::call_once(once_, [&] { transposed_.emplace(weight_.unpacked().t()); });
  return *transposed_;
}

}  // namespace peftbench::backbone
