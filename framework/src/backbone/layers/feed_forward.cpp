#include "backbone/layers/feed_forward.h"

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

FeedForward::FeedForward(Linear wi, std::optional<Linear> gated, Linear wo, Activation activation)
    : wi_(std::move(wi)), gated_(std::move(gated)), wo_(std::move(wo)), activation_(activation) {}

Tensor FeedForward::operator()(const Tensor& x, const Rows& rows) const {
  Tensor inner = activate(wi_(x, rows), activation_);
  if (gated_) inner = inner * (*gated_)(x, rows);
  return wo_(rows.dropout(inner), rows);
}

}  // namespace peftbench::backbone
