#pragma once

#include "backbone/dropout_mask.h"
#include "backbone/layer.h"

#include <peftbench/spec.h>
#include <peftbench/tensor.h>

#include <memory>

// Functions of packed rows [N, C] on the CPU in fp32, each one pass over memory, that keep for the gradient nothing but
// what they were given.
namespace peftbench::backbone::kernels {

// y = w ⊙ x · rsqrt(mean(x²) + ε). The frozen scale w [C] has no gradient; undefined: 1.
Tensor rms_norm(const Tensor& x, const Tensor& scale, double epsilon);

bool has_kernel(Activation activation);
// act(a) ⊙ gate ⊙ mask; the gate may be undefined, the masks null.
Tensor activate(const Tensor& a, const Tensor& gate, Activation activation, std::shared_ptr<const RowMasks> masks);

// x + y ⊙ mask
Tensor add_masked(const Tensor& x, const Tensor& y, std::shared_ptr<const RowMasks> masks);

}  // namespace peftbench::backbone::kernels
