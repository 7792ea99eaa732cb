// Fused segments, attention to rows and the update of LoRA, beside LibTorch's operators: values and gradients.
#include "backbone/kernels/segments.h"
#include "backbone/kernels/attend_rows.h"
#include "backbone/kernels/frozen_matrix.h"
#include "backbone/kernels/trained_product.h"
#include "backbone/run_context.h"
#include "support/kernels.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/rsqrt.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace peftbench::segments_test {

using namespace layers;
using namespace support;
namespace kernels = backbone::kernels;

namespace {

TEST(LowRank, IsTheUpdateOfOperators) {
  RandomTensors random(12);
  for (const auto& [rows, in, rank, out] :
       {std::tuple(150, 37, 3, 21), {64, 16, 8, 64}, {5, 3, 1, 130}, {0, 4, 2, 4}}) {
    expect_same([&](const Tensors& t) { return add_low_rank(t[0], t[1], t[2], t[3], 0.7); },
                [&](const Tensors& t) { return t[0] + 0.7 * at::matmul(at::matmul(t[1], t[2].t()), t[3].t()); },
                {random({rows, out}), random({rows, in}), random({rank, in}), random({out, rank})}, 1e-5);
  }
}

TEST(LowRank, GradientsDoNotDependOnTheNumberOfThreads) {
  RandomTensors random(13);
  const Tensor base = random({200, 30}), x = random({200, 40});
  const Tensor a = random({4, 40}).requires_grad_(true), b = random({30, 4}).requires_grad_(true);
  const auto gradients = [&] {
    const Tensors of = torch::autograd::grad({add_low_rank(base, x, a, b, 2).square().sum()}, {a, b});
    return at::cat({of[0].flatten(), of[1].flatten()});
  };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor alone = gradients();
  at::set_num_threads(3);
  EXPECT_TRUE(gradients().equal(alone));
  at::set_num_threads(threads);
}

TEST(TrainedProduct, IsTheProductOfOperators) {
  RandomTensors random(14);
  for (const auto& [rows, in, out] :
       {std::tuple(700, 272, 144), {64, 16, 64}, {70, 272, 1200}, {9, 48, 80}, {0, 16, 16}}) {
    const Tensors of = {random({rows, in}), random({out, in})};
    ASSERT_TRUE(kernels::has_trained_product(of[0], of[1], at::kFloat));
    expect_same([](const Tensors& t) { return kernels::trained_product(t[0], t[1], at::kFloat); },
                [](const Tensors& t) { return at::linear(t[0], t[1]); }, of, 1e-5);
    if (rows == 0 || !kernels::FrozenMatrix::available(at::kBFloat16)) continue;
    const Tensor x = of[0].clone().requires_grad_(true), w = of[1].clone().requires_grad_(true);
    const auto rounded = [](const Tensor& t) { return t.to(at::kBFloat16).to(at::kFloat); };
    expect_near(kernels::trained_product(x, w, at::kBFloat16), at::linear(rounded(x), rounded(w)), {x, w}, 4e-3);
  }
  EXPECT_FALSE(kernels::has_trained_product(random({4, 24}), random({16, 24}), at::kFloat));
  EXPECT_FALSE(kernels::has_trained_product(random({4, 16}), random({24, 16}), at::kFloat));
}

TEST(TrainedProduct, AGradientThatNobodyAsksForIsNotComputed) {
  RandomTensors random(15);
  const Tensor x = random({20, 16}), w = random({32, 16}), d = random({20, 32});
  const Tensor trained_x = x.clone().requires_grad_(true), trained_w = w.clone().requires_grad_(true);
  const Tensor of_x = torch::autograd::grad({kernels::trained_product(trained_x, w, at::kFloat)}, {trained_x}, {d})[0];
  const Tensor of_w = torch::autograd::grad({kernels::trained_product(x, trained_w, at::kFloat)}, {trained_w}, {d})[0];
  EXPECT_LT(apart(of_x, at::matmul(d, w)), 1e-5);
  EXPECT_LT(apart(of_w, at::matmul(d.t(), x)), 1e-5);
}

TEST(TrainedProduct, DoesNotDependOnTheNumberOfThreads) {
  RandomTensors random(16);
  const int threads = at::get_num_threads();
  for (const std::int64_t rows : {700, 70}) {  // many, and few beside the weight
    const Tensor x = random({rows, 272}).requires_grad_(true), w = random({720, 272}).requires_grad_(true);
    const auto gradients = [&] {
      const Tensors of = torch::autograd::grad({kernels::trained_product(x, w, at::kFloat).square().sum()}, {x, w});
      return at::cat({of[0].flatten(), of[1].flatten()});
    };
    at::set_num_threads(1);
    const Tensor alone = gradients();
    for (const int n : {3, 8}) {
      at::set_num_threads(n);
      EXPECT_TRUE(gradients().equal(alone)) << rows << " rows, " << n << " threads";
    }
  }
  at::set_num_threads(threads);
}

class Segments : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    if (!kernels::FrozenMatrix::available(GetParam())) GTEST_SKIP() << "no small products of this type here";
  }
  // Relative to the whole result.
  double bound() const { return GetParam() == at::kFloat ? 2e-6 : GetParam() == at::kBFloat16 ? 1e-2 : 3e-2; }
  std::shared_ptr<const kernels::FrozenMap> map(const Tensor& weight) const {
    return std::make_shared<const kernels::FrozenMap>(kernels::FrozenMatrix(weight, GetParam()));
  }
  static Tensor normed(const Tensor& x, const Tensor& scale) {
    return x * at::rsqrt(x.square().mean(-1, true) + 1e-6) * scale;
  }
  static std::shared_ptr<const RowMasks> masks(int64_t columns, uint64_t key) {
    return std::make_shared<const RowMasks>(DropoutMask(0.3, key), columns);
  }
  static Tensor values(const std::shared_ptr<const RowMasks>& masks, int64_t rows) {
    Tensor all = at::empty({rows, masks->columns()});
    for (int64_t i = 0; i < rows; ++i) {
      float* row = all.mutable_data_ptr<float>() + i * masks->columns();
      const float* mask = masks->of(i, row);
      if (mask != row) std::copy_n(mask, masks->columns(), row);
    }
    return all;
  }
  RandomTensors random_{21};
  const int64_t rows_ = 149, width_ = 37, inner_ = 101;
};

TEST_P(Segments, ProductsOfNormedRows) {
  const Tensor x = random_({rows_, width_}, 3).requires_grad_(true), scale = random_({width_});
  const Tensor a = random_({inner_, width_}), b = random_({8, width_});
  const auto both = kernels::products(x, {scale, 1e-6}, {map(a), map(b)});
  const Tensor h = normed(x, scale);
  expect_near(both[0], at::linear(h, a), {x}, bound());
  expect_near(both[1], at::linear(h, b), {x}, bound());
  expect_near(at::cat(both, 1), at::linear(h, at::cat({a, b})), {x}, bound());
  expect_near(kernels::products(x, {}, {map(a)}).front(), at::linear(x, a), {x}, bound());
}

TEST_P(Segments, NormedRowsBesideTheirProducts) {
  const Tensor x = random_({rows_, width_}, 3).requires_grad_(true), scale = random_({width_});
  const Tensor weight = random_({inner_, width_}), h = normed(x, scale);
  const auto both = kernels::products(x, {scale, 1e-6}, {map(weight)}, true);
  expect_near(both[0], at::linear(h, weight), {x}, bound());
  expect_near(both[1], h, {x}, 2e-6);
  EXPECT_THROW(kernels::products(x, {}, {map(weight)}, true), Error);
  expect_near(at::cat(both, 1), at::cat({at::linear(h, weight), h}, 1), {x}, bound());
}

// Attention to the rows themselves is attention to their keys, and to their values or values of another kind.
TEST_P(Segments, AttentionToRows) {
  const int64_t heads = 3, size = 7;
  const std::vector<int64_t> queries = offsets_of({3, 1, 0, 2}), keys = offsets_of({17, 40, 2, 5});
  const Tensor q = random_({6, heads * size}).requires_grad_(true), x = random_({64, width_}).requires_grad_(true);
  const Tensor wk = random_({heads * size, width_}, 0.1), wv = random_({heads * size, width_}, 0.1);
  const auto k_map = map(wk), v_map = map(wv);
  for (const int64_t prefix : {0, 5}) {
    const Tensor prefix_keys = random_({heads, prefix, size}).requires_grad_(true),
                 prefix_values = random_({heads, prefix, size}).requires_grad_(true);
    for (const bool dropped : {false, true}) {
      const auto context = [&] { return RunContext::for_training(0.2, DropoutShape::elementwise, 8); };
      kernels::AttendOptions options{heads, 0.7, queries, keys};
      Tensor mask;
      if (dropped) {
        options.dropout = context().weight_masks(heads, 3, prefix + 40);
        mask = context().attention_dropout(at::full({4, heads, 3, prefix + 40}, 1.0));
      }
      for (const bool own_values : {false, true}) {
        SCOPED_TRACE(c10::str("prefix ", prefix, ", dropout ", dropped, ", values ", own_values));
        const Tensor k = at::linear(x, wk), v = at::linear(x, wv);
        const bool any = prefix > 0;
        const Tensor expected =
            attention({q, k, v, any ? prefix_keys : Tensor(), any ? prefix_values : Tensor(), {}}, options, mask);
        kernels::RowsInputs in{kernels::products_by_head(q, k_map->heads(heads), true), x, {}, {}};
        if (own_values) in.v = v;
        const auto by_head = [](const Tensor& of) { return of.transpose(0, 1); };
        if (any) in.before = by_head(at::matmul(by_head(q.view({6, heads, size})), prefix_keys.transpose(1, 2)));
        const auto attended = kernels::attend_rows(in, options);
        Tensor found = own_values ? attended.out : kernels::products_by_head(attended.out, v_map->heads(heads), false);
        if (any) found = found + by_head(at::matmul(by_head(attended.weights), prefix_values)).reshape(found.sizes());
        Tensors of = {q, x};
        if (any) of.insert(of.end(), {prefix_keys, prefix_values});
        expect_near(found, expected, of, bound());
      }
    }
  }
}

TEST_P(Segments, ProductsThatAreAdded) {
  const Tensor x = random_({rows_, width_}).requires_grad_(true), y = random_({rows_, inner_}).requires_grad_(true);
  const Tensor weight = random_({width_, inner_});
  expect_near(kernels::add_product(x, y, map(weight), nullptr), x + at::linear(y, weight), {x, y}, bound());
  const auto dropped = masks(width_, 5);
  expect_near(kernels::add_product(x, y, map(weight), dropped), x + at::linear(y, weight) * values(dropped, rows_),
              {x, y}, bound());
}

TEST_P(Segments, FeedForward) {
  const Tensor x = random_({rows_, width_}, 2).requires_grad_(true), scale = random_({width_});
  const Tensor wi = random_({inner_, width_}, 0.2), gate = random_({inner_, width_}, 0.2),
               wo = random_({width_, inner_}, 0.2);
  const auto inner = masks(inner_, 6), outer = masks(width_, 7);
  for (const bool gated : {false, true}) {
    for (const bool dropout : {false, true}) {
      const Tensor h = normed(x, scale);
      Tensor active = at::gelu(at::linear(h, wi), "tanh");
      if (gated) active = active * at::linear(h, gate);
      if (dropout) active = active * values(inner, rows_);
      Tensor added = at::linear(active, wo);
      if (dropout) added = added * values(outer, rows_);
      kernels::FeedForwardParts parts;
      parts.norm = {scale, 1e-6};
      parts.wi = map(wi);
      parts.wo = map(wo);
      if (gated) parts.gate = map(gate);
      parts.activation = Activation::gelu_tanh;
      if (dropout) parts.inner = inner;
      if (dropout) parts.outer = outer;
      expect_near(kernels::add_feed_forward(x, parts), x + added, {x}, bound());
      EXPECT_TRUE(kernels::add_feed_forward(x.detach(), parts).equal(kernels::add_feed_forward(x, parts)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Segments, testing::Values(at::kFloat, at::kBFloat16, at::kChar),
                         [](const auto& type) { return std::string(c10::toString(type.param)); });

}  // namespace
}  // namespace peftbench::segments_test
