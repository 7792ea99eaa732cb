#pragma once

#include "backbone/layer.h"

#include <peftbench/tensor.h>

namespace peftbench::backbone::kernels {

// There is a kernel for x Wᵀ of a trained W [out, in]: on the CPU, fp32, of sizes in steps of 16, where small products
// of `type` are.
bool has_trained_product(const Tensor& x, const Tensor& weight, at::ScalarType type);

// x Wᵀ [N, out], with gradients of both, in products of `type` (fp32 or bf16) with sums in fp32. The gradient of W is
// summed over the rows in a fixed order: the same bytes for any number of threads.
Tensor trained_product(const Tensor& x, const Tensor& weight, at::ScalarType type);

}  // namespace peftbench::backbone::kernels
