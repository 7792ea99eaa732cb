#include "backbone/run_context.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>

#include <vector>

namespace peftbench::backbone {

RunContext RunContext::for_training(double dropout, DropoutShape shape, std::uint64_t seed) {
  RunContext context;
  context.training_ = true;
  context.rate_ = dropout;
  context.shape_ = shape;
  context.generator_ = at::make_generator<at::CPUGeneratorImpl>(seed);
  return context;
}

Tensor RunContext::mask(at::IntArrayRef sizes, const Tensor& like, double p) const {
  // Drawn on the CPU also for other devices, so a seed means the same masks everywhere.
  return at::empty(sizes, at::kFloat).bernoulli_(1 - p, *generator_).div_(1 - p).to(like.device());
}

Tensor RunContext::dropout(const Tensor& x, double p) const {
  if (!training_ || p <= 0) return x;
  return x * mask(x.sizes(), x, p);
}

Tensor RunContext::backbone_dropout(const Tensor& x, const TokenLayout& layout) const {
  if (!training_ || rate_ <= 0) return x;
  if (shape_ == DropoutShape::elementwise) return x * mask(x.sizes(), x, rate_);
  std::vector<int64_t> sequence;
  sequence.reserve(static_cast<std::size_t>(layout.rows()));
  for (int64_t b = 0; b < layout.sequences(); ++b) {
    sequence.insert(sequence.end(), static_cast<std::size_t>(layout.lengths[static_cast<std::size_t>(b)]), b);
  }
  const Tensor index = at::from_blob(sequence.data(), {layout.rows()}, at::kLong).to(x.device());
  return x * mask({layout.sequences(), x.size(1)}, x, rate_).index_select(0, index);
}

Tensor RunContext::attention_dropout(const Tensor& weights) const {
  if (!training_ || rate_ <= 0) return weights;
  if (shape_ == DropoutShape::elementwise) return weights * mask(weights.sizes(), weights, rate_);
  return weights * mask({weights.size(0), weights.size(1), 1, weights.size(3)}, weights, rate_);
}

}  // namespace peftbench::backbone
