#include "backbone/layers/feed_forward.h"

#include "backbone/kernels/rowwise.h"

#include <peftbench/error.h>

#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>

#include <utility>

namespace peftbench::backbone {
namespace {

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::relu:
      return at::relu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::gelu:
      return at::gelu(x);
    case Activation::silu:
      return at::silu(x);
  }
  throw Error("unknown activation");
}

}  // namespace

FeedForward::FeedForward(Linear wi, std::optional<Linear> gated, Linear wo, Activation activation, Backend backend)
    : wi_(std::move(wi)),
      gated_(std::move(gated)),
      wo_(std::move(wo)),
      activation_(activation),
      // The exact GELU has no kernel.
      backend_(kernels::has_kernel(activation) ? backend : Backend::reference) {}

Tensor FeedForward::operator()(const Tensor& x, const Rows& rows) const {
  if (backend_ == Backend::fast) {
    const Tensor a = wi_(x, rows), gate = gated_ ? (*gated_)(x, rows) : Tensor();
    return kernels::activate(a, gate, activation_, rows.context().row_masks(a.size(1), rows.layout()));
  }
  Tensor inner = activate(wi_(x, rows), activation_);
  if (gated_) inner = inner * (*gated_)(x, rows);
  return rows.dropout(inner);
}

std::optional<kernels::FeedForwardParts> FeedForward::frozen(const Rows& rows, const kernels::Norm& norm) const {
  if (backend_ != Backend::fast) return {};
  kernels::FeedForwardParts parts{norm, wi_.frozen(rows), gated_ ? gated_->frozen(rows) : nullptr, wo_.frozen(rows),
                                  activation_};
  if (!parts.wi || !parts.wo || (gated_ && !parts.gate)) return {};
  parts.inner = rows.context().row_masks(parts.wi->weight().out(), rows.layout());
  parts.outer = rows.context().row_masks(parts.wo->weight().out(), rows.layout());
  return parts;
}

}  // namespace peftbench::backbone
