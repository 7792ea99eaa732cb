#pragma once

// Tensors are LibTorch's. This header brings the type and the operations that hooks commonly use; include
// single headers of ATen/ops/ for others: torch/torch.h adds 20 s of compile time per file.
#include <peftbench/export.h>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>

// + − · / between tensors and numbers. Without this definition, the header includes every operator of ATen.
#if defined(AT_PER_OPERATOR_HEADERS)
#include <ATen/TensorOperators.h>
#else
#define AT_PER_OPERATOR_HEADERS
#include <ATen/TensorOperators.h>
#undef AT_PER_OPERATOR_HEADERS
#endif

#include <cstdint>
#include <vector>

namespace peftbench {

using Tensor = at::Tensor;
using Shape = std::vector<int64_t>;

using at::cat;
using at::linear;
using at::matmul;

// base + scale · x Aᵀ Bᵀ, the update of LoRA (Hu et al. 2021), in one pass over the rows on the CPU: base [N, out],
// x [N, in], A [r, in], B [out, r].
PEFTBENCH_API Tensor add_low_rank(const Tensor& base, const Tensor& x, const Tensor& a, const Tensor& b, double scale);

}  // namespace peftbench
