#pragma once

#include "backbone/dropout_mask.h"
#include "backbone/layer.h"

#include <peftbench/tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace peftbench::backbone::kernels {

// What attention over packed rows is given beside tensors.
struct AttendOptions {
  std::int64_t heads = 1;                             // H
  double scale = 1;                                   // of q·k
  std::vector<std::int64_t> queries, keys;            // [B + 1] first row of each sequence; the last entry is all
  std::optional<WeightMasks> dropout = std::nullopt;  // of the weights, P + S long
  at::ScalarType products = at::kFloat;               // what is multiplied: fp32, or bf16 where tiles can be
};

// softmax(s · q kᵀ + added) v of each sequence and head, fp32 without padding and without the weights of the forward
// pass, which the gradient makes again. On the CPU.
struct AttendInputs {
  Tensor q;                           // [N, H·K]
  Tensor k, v;                        // [M, H·K]
  Tensor prefix_keys, prefix_values;  // [H, P, K] before the keys of each sequence; undefined: none
  Tensor added;  // [1, 1 or H, ≥ T, ≥ P + S]; undefined: nothing. Error if it has a gradient and is not of each head
};
Tensor attend(const AttendInputs& inputs, AttendOptions options);  // [N, H·K]

}  // namespace peftbench::backbone::kernels
