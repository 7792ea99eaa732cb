#pragma once

#include "backbone/layer.h"

#include <peftbench/tensor.h>

namespace peftbench::backbone::kernels {

// True if trained_product() takes them: x [N, in] and a trained W [out, in] in fp32 on the CPU, in and out multiples of
// 16, and a processor that has small products of `type`.
bool has_trained_product(const Tensor& x, const Tensor& weight, at::ScalarType type);

// x Wᵀ [N, out], with gradients of both, in products of `type` (fp32 or bf16) with sums in fp32. The gradient of W is
// summed over the rows in a fixed order: the same bytes for any number of threads.
Tensor trained_product(const Tensor& x, const Tensor& weight, at::ScalarType type);

}  // namespace peftbench::backbone::kernels
