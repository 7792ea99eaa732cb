#pragma once

// Tensors are LibTorch's. This header brings the type and the operations that hooks commonly use; include
// single headers of ATen/ops/ for others: torch/torch.h adds 20 s of compile time per file.
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

}  // namespace peftbench
