#include "backbone/layers/frozen_tensor.h"

#include <c10/core/ScalarType.h>

namespace peftbench::backbone {

FrozenTensor::~FrozenTensor() = default;

int64_t FrozenTensor::bytes() const {
  int64_t total = 0;
  for (const Tensor& part : parts()) total += static_cast<int64_t>(part.nbytes());
  return total;
}

std::string DenseTensor::form() const { return c10::toString(value_.scalar_type()); }

}  // namespace peftbench::backbone
