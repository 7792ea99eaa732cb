#include "backbone/layers/tiled_linear.h"

#include "backbone/kernels/segments.h"
#include "backbone/kernels/trained_product.h"

#include <c10/core/ScalarType.h>

#include <utility>

namespace peftbench::backbone {

Tensor TiledLinear::operator()(const Tensor& x) const { return kernels::products(x, {}, {map_}).front(); }

DenseTiles::DenseTiles(const Tensor& weight, at::ScalarType arithmetic)
    : TiledLinear(kernels::FrozenMatrix(weight, arithmetic)), type_(weight.scalar_type()) {}

Tensor DenseTiles::multiply(const Tensor& x, const Tensor& weight) const {
  const at::ScalarType type = map()->weight().type();
  return kernels::has_trained_product(x, weight, type) ? kernels::trained_product(x, weight, type)
                                                       : product(x, weight, type);
}

std::string DenseTiles::form() const { return c10::toString(type_); }

Int8Tiles::Int8Tiles(std::shared_ptr<const Int8Linear> stored)
    : TiledLinear(kernels::FrozenMatrix(stored->codes(), stored->scales())), stored_(std::move(stored)) {}

std::shared_ptr<const FrozenLinear> dense_linear(Tensor weight, at::ScalarType arithmetic, Backend backend) {
  if (backend == Backend::fast && kernels::FrozenMatrix::available(arithmetic))
    return std::make_shared<const DenseTiles>(weight, arithmetic);
  return std::make_shared<const DenseLinear>(std::move(weight), arithmetic);
}

}  // namespace peftbench::backbone
