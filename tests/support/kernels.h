#pragma once

#include "backbone/kernels/attend.h"
#include "support/layers.h"

#include <peftbench/layout.h>
#include <peftbench/tensor.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <functional>
#include <vector>

// What tests of kernels share: random tensors, attention by operators, and comparisons of values with gradients.
namespace peftbench::support {

using namespace layers;

using Tensors = std::vector<Tensor>;

class RandomTensors {
 public:
  explicit RandomTensors(uint64_t seed) : generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {}
  Tensor operator()(at::IntArrayRef shape, double deviation = 1) {
    return at::empty(shape).normal_(0, deviation, generator_);
  }

 private:
  at::Generator generator_;
};

// Relative to results of size 1.
inline double apart(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0) return a.sizes() == b.sizes() ? 0 : 1;
  return (a - b).abs().max().item<double>() / std::max(1.0, b.abs().max().item<double>());
}

// Values and all gradients of two functions of the same tensors, for the same gradient of what they give.
inline void expect_same(const std::function<Tensor(const Tensors&)>& found,
                        const std::function<Tensor(const Tensors&)>& expected, const Tensors& inputs, double close) {
  const auto leaves = [&] {
    Tensors copies;
    for (const Tensor& input : inputs) copies.push_back(input.detach().clone().requires_grad_(true));
    return copies;
  };
  const Tensors of_found = leaves(), of_expected = leaves();
  const Tensor y = found(of_found), right = expected(of_expected);
  ASSERT_EQ(y.sizes(), right.sizes());
  EXPECT_LT(apart(y, right), close);
  const Tensor d = RandomTensors(99)(y.sizes());
  torch::autograd::backward({y}, {d});
  torch::autograd::backward({right}, {d});
  for (std::size_t i = 0; i < inputs.size(); ++i)
    EXPECT_LT(apart(of_found[i].grad(), of_expected[i].grad()), close) << "gradient " << i;
}

inline double share_of(const Tensor& error, const Tensor& of) { return (error.norm() / of.norm()).item<double>(); }

// Of what is computed and of its gradients.
inline void expect_near(const Tensor& found, const Tensor& expected, const Tensors& of, double bound) {
  EXPECT_LT(share_of(found - expected, expected), bound);
  const Tensor direction = RandomTensors(99)(expected.sizes());
  const auto gradients = [&](const Tensor& y) { return torch::autograd::grad({y}, of, {direction}, true); };
  const Tensors a = gradients(found), b = gradients(expected);
  for (std::size_t i = 0; i < of.size(); ++i) EXPECT_LT(share_of(a[i] - b[i], b[i]), bound) << "gradient " << i;
}

// Sequence by sequence, with operators.
inline Tensor attention(const backbone::kernels::AttendInputs& in, const backbone::kernels::AttendOptions& options,
                        const Tensor& mask) {
  const int64_t heads = options.heads, size = in.q.size(1) / heads;
  const bool prefixed = in.prefix_keys.defined();
  const auto part = [&](const Tensor& packed, const std::vector<int64_t>& offsets, std::size_t b) {
    const Tensor rows = packed.narrow(0, offsets[b], offsets[b + 1] - offsets[b]);
    return rows.view({rows.size(0), heads, size}).transpose(0, 1);
  };
  Tensors out;
  for (std::size_t b = 0; b + 1 < options.queries.size(); ++b) {
    const Tensor q = part(in.q, options.queries, b);
    Tensor k = part(in.k, options.keys, b), v = part(in.v, options.keys, b);
    if (prefixed) k = at::cat({in.prefix_keys, k}, 1), v = at::cat({in.prefix_values, v}, 1);
    Tensor scores = at::matmul(q, k.transpose(1, 2)) * options.scale;
    if (in.added.defined()) scores = scores + in.added[0].narrow(1, 0, q.size(1)).narrow(2, 0, k.size(1));
    Tensor weights = at::softmax(scores, -1);
    if (mask.defined()) {
      const Tensor own = mask[static_cast<int64_t>(b)];
      weights = weights * own.narrow(1, 0, std::min(own.size(1), q.size(1))).narrow(2, 0, k.size(1));
    }
    out.push_back(at::matmul(weights, v).transpose(0, 1).reshape({q.size(1), heads * size}));
  }
  return at::cat(out);
}

inline std::vector<int64_t> offsets_of(const std::vector<int64_t>& lengths) { return TokenLayout::of(lengths).offsets; }

}  // namespace peftbench::support
