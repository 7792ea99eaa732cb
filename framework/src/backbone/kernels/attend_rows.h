#pragma once

#include "backbone/kernels/attend.h"
#include "backbone/layer.h"

#include <peftbench/tensor.h>

namespace peftbench::backbone::kernels {

// Attention whose keys are the rows x themselves, the same for all heads: of cross-attention, q is W_k,hᵀ q_h, so that
// x is not projected for a few queries: (W_k,h x)·q_h = x·(W_k,hᵀ q_h).
struct RowsInputs {
  Tensor q;       // [N, H·D]
  Tensor x;       // [M, D]
  Tensor v;       // [M, H·K]; undefined: x itself, of all heads
  Tensor before;  // [N, H, P] scores of a prefix, before the scale; undefined: none
};
struct RowsOutputs {
  Tensor out;      // [N, H·K], or [N, H·D] of x itself
  Tensor weights;  // [N, H, P] of the prefix, after dropout; undefined without one
};
RowsOutputs attend_rows(const RowsInputs& inputs, AttendOptions options);

}  // namespace peftbench::backbone::kernels
