#include "backbone/row_map.h"

#include "plan/layout_indices.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace peftbench::backbone {
namespace {

Tensor scatter_rows(const Tensor& packed, const Tensor& places, int64_t rows) {
  return at::zeros({rows, packed.size(1)}, packed.options()).index_copy_(0, places, packed);
}

struct Pad : torch::autograd::Function<Pad> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& packed, const Tensor& places,
                        int64_t rows) {
    context->save_for_backward({places});
    return scatter_rows(packed, places, rows);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0].index_select(0, context->get_saved_variables()[0]), Tensor(), Tensor()};
  }
};

struct Unpad : torch::autograd::Function<Unpad> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& padded, const Tensor& places) {
    context->save_for_backward({places});
    context->saved_data["rows"] = padded.size(0);
    return padded.index_select(0, places);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    return {scatter_rows(gradients[0], context->get_saved_variables()[0], context->saved_data["rows"].toInt()),
            Tensor()};
  }
};

}  // namespace

RowMap::RowMap(const TokenLayout& layout) : batch_(layout.sequences()) {
  for (int64_t length : layout.lengths) longest_ = std::max(longest_, length);
  if (layout.rows() == batch_ * longest_) return;
  places_ = detail::layout_index(layout, &detail::LayoutIndices::padded_rows, [&] {
    std::vector<int64_t> places;
    places.reserve(static_cast<std::size_t>(layout.rows()));
    for (int64_t b = 0; b < batch_; ++b) {
      for (int64_t t = 0; t < layout.lengths[static_cast<std::size_t>(b)]; ++t) places.push_back(b * longest_ + t);
    }
    return places;
  });
}

Tensor RowMap::pad(const Tensor& packed) const {
  const int64_t columns = packed.size(1);
  if (even()) return packed.view({batch_, longest_, columns});
  return Pad::apply(packed, places_, batch_ * longest_).view({batch_, longest_, columns});
}

Tensor RowMap::unpad(const Tensor& padded) const {
  const Tensor rows = padded.reshape({batch_ * longest_, padded.size(2)});
  return even() ? rows : Unpad::apply(rows, places_);
}

}  // namespace peftbench::backbone
