#include "backbone/run_context.h"

#include <ATen/ops/index_select.h>

namespace peftbench::backbone {

RunContext RunContext::for_training(double dropout, DropoutShape shape, std::uint64_t seed) {
  RunContext context;
  context.training_ = true;
  context.rate_ = dropout;
  context.shape_ = shape;
  context.seed_ = seed;
  return context;
}

Tensor RunContext::mask(at::IntArrayRef sizes, const Tensor& like, double p) const {
  return dropout_mask(sizes, p, next_key(), like.device());
}

Tensor RunContext::dropout(const Tensor& x, double p) const {
  if (!training_ || p <= 0) return x;
  return x * mask(x.sizes(), x, p);
}

Tensor RunContext::backbone_dropout(const Tensor& x, const TokenLayout& layout) const {
  if (!training_ || rate_ <= 0) return x;
  if (shape_ == DropoutShape::elementwise) return x * mask(x.sizes(), x, rate_);
  return x * mask({layout.sequences(), x.size(1)}, x, rate_).index_select(0, layout.sequence_of_rows());
}

Tensor RunContext::attention_dropout(const Tensor& weights) const {
  if (!training_ || rate_ <= 0) return weights;
  if (shape_ == DropoutShape::elementwise) return weights * mask(weights.sizes(), weights, rate_);
  return weights * mask({weights.size(0), weights.size(1), 1, weights.size(3)}, weights, rate_);
}

std::shared_ptr<const RowMasks> RunContext::row_masks(int64_t columns, const TokenLayout& layout) const {
  if (!training_ || rate_ <= 0) return nullptr;
  const DropoutMask mask(rate_, next_key());
  return shape_ == DropoutShape::elementwise ? std::make_shared<const RowMasks>(mask, columns)
                                             : std::make_shared<const RowMasks>(mask, columns, layout.offsets);
}

std::optional<WeightMasks> RunContext::weight_masks(int64_t heads, int64_t queries, int64_t keys) const {
  if (!training_ || rate_ <= 0) return std::nullopt;
  return WeightMasks{DropoutMask(rate_, next_key()), heads, shape_ == DropoutShape::elementwise ? queries : 1, keys};
}

}  // namespace peftbench::backbone
