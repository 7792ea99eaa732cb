#pragma once

#include "plan/layer.h"

#include <peftbench/layout.h>

#include <functional>
#include <vector>

namespace peftbench::detail {

// Index tensors of a layout's lengths, on its device; undefined until asked for. Copies of a layout share them, so
// each is made and moved once a batch.
struct LayoutIndices {
  Tensor first_rows, last_rows, sequence_of_rows;
  Tensor padded_rows;  // [N] place of each row among the B·T of padded sequences
};

// The index, made by `make` when first asked for.
Tensor layout_index(const TokenLayout& layout, Tensor LayoutIndices::*index,
                    const std::function<std::vector<int64_t>()>& make);

}  // namespace peftbench::detail
