// Kernels beside LibTorch's operators: values and gradients, of sizes that fill no vector and of sequences of any
// length.
#include "support/kernels.h"
#include "backbone/backbone.h"
#include "backbone/kernels/attend.h"
#include "backbone/kernels/frozen_matrix.h"
#include "backbone/kernels/rowwise.h"
#include "backbone/kernels/segments.h"
#include "backbone/kernels/small_products.h"
#include "backbone/layers/tiled_linear.h"
#include "backbone/run_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <ATen/Parallel.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace peftbench::kernels_test {

using namespace layers;
using namespace support;
namespace kernels = backbone::kernels;

namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr double close = 3e-6;

TEST(RowKernels, NormIsThatOfOperators) {
  RandomTensors random(1);
  for (const int64_t columns : {1, 7, 16, 20, 512, 513}) {
    const Tensor scale = random({columns});
    for (const bool scaled : {false, true}) {
      const auto operators = [&](const Tensors& in) {
        const Tensor y = in[0] * at::rsqrt(in[0].square().mean(-1, true) + 1e-6);
        return scaled ? y * scale : y;
      };
      expect_same([&](const Tensors& in) { return kernels::rms_norm(in[0], scaled ? scale : Tensor(), 1e-6); },
                  operators, {random({9, columns}, 3)}, close);
    }
  }
}

TEST(RowKernels, ActivationsAreThoseOfOperators) {
  RandomTensors random(2);
  const auto act = [](const Tensor& x, Activation activation) {
    return activation == Activation::relu   ? at::relu(x)
           : activation == Activation::silu ? at::silu(x)
                                            : at::gelu(x, "tanh");
  };
  for (const Activation activation : {Activation::relu, Activation::silu, Activation::gelu_tanh}) {
    ASSERT_TRUE(kernels::has_kernel(activation));
    for (const int64_t columns : {5, 16, 67}) {
      const Tensor a = random({11, columns}, 4), b = random({11, columns});
      expect_same([&](const Tensors& in) { return kernels::activate(in[0], in[1], activation, nullptr); },
                  [&](const Tensors& in) { return act(in[0], activation) * in[1]; }, {a, b}, close);
      expect_same([&](const Tensors& in) { return kernels::activate(in[0], {}, activation, nullptr); },
                  [&](const Tensors& in) { return act(in[0], activation); }, {a}, close);
    }
    // Far from 0, where exponentials overflow.
    const Tensor far = at::arange(-40, 41).to(at::kFloat).mul(1e3).view({3, 27});
    expect_same([&](const Tensors& in) { return kernels::activate(in[0], {}, activation, nullptr); },
                [&](const Tensors& in) { return act(in[0], activation); }, {far}, close);
  }
  EXPECT_FALSE(kernels::has_kernel(Activation::gelu));
}

TEST(RowKernels, MasksAreThoseOfTheReference) {
  RandomTensors random(3);
  const TokenLayout layout = TokenLayout::of({3, 1, 5});
  for (const DropoutShape shape : {DropoutShape::per_sequence, DropoutShape::elementwise}) {
    const auto context = [&] { return RunContext::for_training(0.3, shape, 5); };
    const Tensor x = random({9, 21}), y = random({9, 21});
    expect_same([&](const Tensors& in) { return kernels::add_masked(in[0], in[1], context().row_masks(21, layout)); },
                [&](const Tensors& in) { return in[0] + context().backbone_dropout(in[1], layout); }, {x, y}, close);
    expect_same(
        [&](const Tensors& in) {
          return kernels::activate(in[0], in[1], Activation::silu, context().row_masks(21, layout));
        },
        [&](const Tensors& in) { return context().backbone_dropout(at::silu(in[0]) * in[1], layout); }, {x, y}, close);
  }
}

struct Lengths {
  std::vector<int64_t> queries, keys;
};

TEST(AttendKernel, IsAttentionWithoutPadding) {
  RandomTensors random(4);
  const std::vector<Lengths> cases = {{{5, 1, 9}, {5, 1, 9}}, {{3, 4}, {17, 2}}, {{300}, {300}}, {{1, 1}, {33, 64}}};
  for (const Lengths& lengths : cases) {
    const int64_t heads = 3, size = 5;
    const std::vector<int64_t> queries = offsets_of(lengths.queries), keys = offsets_of(lengths.keys);
    const int64_t longest = *std::max_element(lengths.queries.begin(), lengths.queries.end());
    const int64_t most = *std::max_element(lengths.keys.begin(), lengths.keys.end());
    for (const int64_t prefix : {0, 7}) {
      for (const bool biased : {false, true}) {
        for (const int shape : {-1, 0, 1}) {
          const std::vector<int64_t> sizes = {static_cast<int64_t>(lengths.queries.size()), heads,
                                              shape == 0 ? 1 : longest, prefix + most};
          std::optional<WeightMasks> masks;
          Tensor mask;
          if (shape >= 0) {
            const auto context = [&] {
              return RunContext::for_training(0.2, shape == 0 ? DropoutShape::per_sequence : DropoutShape::elementwise,
                                              8);
            };
            masks = context().weight_masks(heads, longest, prefix + most);
            mask = context().attention_dropout(at::full({sizes[0], heads, longest, prefix + most}, 1.0));
          }
          const kernels::AttendOptions options{heads, 0.7, queries, keys, masks};
          Tensors inputs = {random({queries.back(), heads * size}), random({keys.back(), heads * size}),
                            random({keys.back(), heads * size})};
          if (prefix > 0) inputs.insert(inputs.end(), {random({heads, prefix, size}), random({heads, prefix, size})});
          if (biased) inputs.push_back(random({1, heads, longest, prefix + most}));
          const auto all = [&](const Tensors& in) {
            return kernels::AttendInputs{in[0],
                                         in[1],
                                         in[2],
                                         prefix > 0 ? in[3] : Tensor(),
                                         prefix > 0 ? in[4] : Tensor(),
                                         biased ? in.back() : Tensor()};
          };
          SCOPED_TRACE(
              c10::str("queries ", lengths.queries, ", prefix ", prefix, ", biased ", biased, ", mask ", shape));
          expect_same([&](const Tensors& in) { return kernels::attend(all(in), options); },
                      [&](const Tensors& in) { return attention(all(in), options, mask); }, inputs, 1e-5);
        }
      }
    }
  }
}

TEST(AttendKernel, GivesGradientsToWhatAsksForThemAlone) {
  RandomTensors random(5);
  for (const std::size_t asked : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    Tensors inputs = {random({6, 8}), random({6, 8}), random({6, 8})};
    inputs[asked].requires_grad_(true);
    const kernels::AttendOptions options{2, 1, {0, 2, 6}, {0, 2, 6}};
    const kernels::AttendInputs in{inputs[0], inputs[1], inputs[2], {}, {}, {}};
    kernels::attend(in, options).sum().backward();
    const Tensor found = inputs[asked].grad().clone();
    inputs[asked].mutable_grad() = Tensor();
    attention(in, options, {}).sum().backward();
    EXPECT_LT(apart(found, inputs[asked].grad()), close) << asked;
    for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_EQ(inputs[i].grad().defined(), i == asked);
  }
}

TEST(Kernels, NotANumberStaysNotANumber) {
  const Tensor x = at::full({2, 5}, 0.5);
  x[1][3] = std::numeric_limits<float>::quiet_NaN();
  const auto second_row_alone = [](const Tensor& y) {
    EXPECT_FALSE(y[0].isnan().any().item<bool>());
    EXPECT_TRUE(y[1].isnan().any().item<bool>());
  };
  second_row_alone(kernels::rms_norm(x, {}, 1e-6));
  for (const Activation activation : {Activation::relu, Activation::silu, Activation::gelu_tanh})
    second_row_alone(kernels::activate(x, {}, activation, nullptr));
  const Tensor fine = at::full({2, 5}, 0.5);
  for (const kernels::AttendInputs& in :
       {kernels::AttendInputs{x, fine, fine, {}, {}, {}}, kernels::AttendInputs{fine, x, fine, {}, {}, {}},
        kernels::AttendInputs{fine, fine, x, {}, {}, {}}})
    second_row_alone(kernels::attend(in, {1, 1, {0, 1, 2}, {0, 1, 2}}));
}

TEST(Kernels, DoNotDependOnTheNumberOfThreads) {
  RandomTensors random(6);
  const Tensor x = random({64, 48}), k = random({64, 48}), v = random({64, 48});
  const Tensor added = random({1, 4, 40, 40}).requires_grad_(true);
  const std::vector<int64_t> offsets = {0, 40, 41, 64};
  const auto run = [&] {
    const Tensor attended = kernels::attend({x, k, v, {}, {}, added}, {4, 1, offsets, offsets});
    const Tensor of_added = torch::autograd::grad({attended.square().sum()}, {added}).front();
    return at::cat({kernels::rms_norm(x, {}, 1e-6).flatten(),
                    kernels::activate(x, k, Activation::gelu_tanh, nullptr).flatten(), attended.flatten(),
                    of_added.flatten()});
  };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor alone = run();
  at::set_num_threads(2);
  EXPECT_TRUE(run().equal(alone));
  at::set_num_threads(threads);
}

// LibTorch's template runs on one thread, without a word, where it is compiled without OpenMP.
TEST(Kernels, RunOnSeveralThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  std::atomic<int> seen{0};
  at::parallel_for(0, 2, 1, [&](int64_t, int64_t) { seen |= 1 << at::get_thread_num(); });
  at::set_num_threads(threads);
  EXPECT_EQ(seen, 3);
}

// x Wᵀ
Tensor multiply(const Tensor& x, const kernels::FrozenMatrix& matrix) {
  return kernels::products(x, {}, {std::make_shared<const kernels::FrozenMap>(matrix)}).front();
}

TEST(FrozenMatrix, MultipliesAsLinearAndGivesItsWeightBack) {
  RandomTensors random(7);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    if (!kernels::FrozenMatrix::available(type)) continue;
    for (const auto& [out, in] : {std::pair<int64_t, int64_t>{12, 20}, {20, 25}, {64, 1}, {384, 512}, {1001, 64}}) {
      const Tensor weight = random({out, in}).to(type);
      const kernels::FrozenMatrix matrix(weight, type);
      EXPECT_TRUE(matrix.values().equal(weight)) << out << "×" << in;
      for (const int64_t rows : {0, 1, 3, 7, 33, 64, 65, 130}) {
        const Tensor x = random({rows, in});
        const Tensor found = multiply(x, matrix);
        EXPECT_EQ(found.scalar_type(), at::kFloat);
        if (rows == 0) continue;
        EXPECT_LT(apart(found, at::linear(x.to(type).to(at::kFloat), weight.to(at::kFloat))), close);
      }
    }
  }
}

TEST(FrozenMatrix, RoundsToTheNearestOfBf16) {
  if (!kernels::FrozenMatrix::available(at::kBFloat16)) GTEST_SKIP() << "no small products of bf16 here";
  const kernels::FrozenMatrix one(at::ones({1, 1}), at::kBFloat16);
  const float half = 1.0F / 256, nan = std::numeric_limits<float>::quiet_NaN(),
              inf = std::numeric_limits<float>::infinity();
  // Ties go to the even neighbour.
  const Tensor x =
      at::tensor({1 + half, 1 + 3 * half, 1 + 1.01F * half, -1 - half, 3e38F, nan, inf, -inf}).unsqueeze(1);
  const Tensor expected = x.to(at::kBFloat16).to(at::kFloat), found = multiply(x, one);
  EXPECT_TRUE(at::allclose(found, expected, 0, 0, /*equal_nan=*/true)) << found << expected;
}

TEST(FastBackend, IsOfTheCpuAlone) {
  EXPECT_NO_THROW(require_backend(Backend::reference, c10::kMeta));
  try {
    require_backend(Backend::fast, c10::kMeta);
    ADD_FAILURE() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("device meta"), HasSubstr("backbone.backend=reference")));
  }
}

TEST(FastBackend, CountsATiedHeadThatIsPackedBesideItsTable) {
  for (const bool tied : {false, true}) {
    const auto bytes = [&](Backend backend) {
      return support::tiny_backbone({.gated = !tied, .tied = tied, .backend = backend})->bytes();
    };
    const BackboneSpec spec = support::tiny_spec({.gated = !tied, .tied = tied});
    EXPECT_EQ(bytes(Backend::fast) - bytes(Backend::reference), tied ? 4 * spec.vocab_size * spec.d_model : 0);
  }
}

TEST(FrozenMap, CountsItsMatrixAlone) {
  RandomTensors random(3);
  const kernels::FrozenMap map{kernels::FrozenMatrix(random({8, 16}), at::kFloat)};
  EXPECT_EQ(map.bytes(), 4 * 8 * 16);
  map.transposed();
  map.heads(2);
  EXPECT_EQ(map.bytes(), 4 * 8 * 16);
}

TEST(SmallProducts, OfMatricesAndTheirTransposes) {
  RandomTensors random(11);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    if (!kernels::FrozenMatrix::available(type)) continue;
    kernels::LeftMatrix left(type);
    kernels::RightMatrix right(type);
    for (const auto& [m, n, k] : {std::tuple(4, 10, 6), {33, 17, 7}, {1, 1, 1}, {33, 17, 7}, {40, 64, 100}}) {
      // Within wider matrices.
      const Tensor a = random({m, k + 3}), b = random({k, n + 5}), at_ = random({k, m + 1}), bt = random({n, k + 2});
      const auto view = [](const Tensor& x, int64_t rows, int64_t columns) {
        return kernels::MatrixView{x.const_data_ptr<float>(), x.size(1), rows, columns};
      };
      const auto own = [&](const Tensor& x, int64_t columns) {
        return x.narrow(1, 0, columns).to(type).to(at::kFloat);
      };
      const auto expect = [&](const Tensor& l, const Tensor& r) {
        Tensor c = at::empty({left.rows(), right.columns()});
        kernels::multiply(left, right, false, c.mutable_data_ptr<float>());
        kernels::multiply(left, right, true, c.mutable_data_ptr<float>());
        EXPECT_LT(apart(c.narrow(0, 0, m).narrow(1, 0, n), 2 * at::matmul(l, r)), close) << m << " " << n << " " << k;
      };
      left.take(view(a, m, k));
      right.take(view(b, k, n));
      expect(own(a, k), own(b, n));
      left.take_transposed(view(at_, k, m));
      expect(own(at_, m).t(), own(b, n));
      right.take_transposed(view(bt, n, k));
      expect(own(at_, m).t(), own(bt, k).t());
    }
  }
}

// Rows of x rounded to 8 bits, as values.
Tensor rounded_rows(const Tensor& x) {
  const Tensor scale = x.abs().amax(1, true) / 127;
  return (x / scale).round() * scale;
}

TEST(Int8Product, IsTheProductOfWhatIsRounded) {
  if (!kernels::FrozenMatrix::available(at::kChar)) GTEST_SKIP() << "no small products of int8 here";
  RandomTensors random(3);
  for (const auto& [rows, in, out] : {std::tuple(1, 16, 8), {7, 37, 5}, {33, 70, 129}}) {
    const Tensor w = random({out, in}), x = random({rows, in});
    const kernels::FrozenMatrix matrix(w, at::kChar);
    const Tensor expected = at::linear(rounded_rows(x), rounded_rows(w)), found = multiply(x, matrix);
    EXPECT_LT(share_of(found - expected, expected), 1e-6);
    EXPECT_LT(share_of(found - at::linear(x, w), at::linear(x, w)), 0.02);
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    EXPECT_TRUE(multiply(x, matrix).equal(found));
    at::set_num_threads(threads);
  }
}

TEST(Int8Product, OfRowsWithoutValuesAndOfRowsThatAreNotFinite) {
  if (!kernels::FrozenMatrix::available(at::kChar)) GTEST_SKIP() << "no small products of int8 here";
  RandomTensors random(4);
  const kernels::FrozenMatrix matrix(random({9, 20}), at::kChar);
  const Tensor x = random({4, 20});
  x.select(0, 0).zero_();
  x.select(0, 1).select(0, 19).fill_(std::numeric_limits<float>::quiet_NaN());
  x.select(0, 2).select(0, 3).fill_(std::numeric_limits<float>::infinity());
  const Tensor y = multiply(x, matrix);
  EXPECT_EQ(y.select(0, 0).abs().max().item<float>(), 0);
  EXPECT_TRUE(y.select(0, 1).isnan().all().item<bool>());
  EXPECT_TRUE(y.select(0, 2).isnan().all().item<bool>());
  EXPECT_TRUE(y.select(0, 3).isfinite().all().item<bool>());
}

// On the fast backend a map in 8 bits stays what it is in the checksum, and its products are near those of the
// reference, for which the weights alone are rounded.
TEST(Int8Product, OfABackbone) {
  if (!kernels::FrozenMatrix::available(at::kChar)) GTEST_SKIP() << "no small products of int8 here";
  const auto make = [](Backend backend) {
    LoadOptions options;
    options.backend = backend;
    options.quantization = Quantization::int8;
    const BackboneSpec spec = tiny_spec();
    return Backbone::from_tensors(spec, tiny_tensors(spec, 1), options);
  };
  const auto reference = make(Backend::reference), fast = make(Backend::fast);
  EXPECT_EQ(fast->checksum(), reference->checksum());
  const int map = tiny_spec().parameter(tiny_spec().linears().front().tensor_name()).index;
  const Tensor weight = fast->frozen(map);
  EXPECT_TRUE(weight.equal(reference->frozen(map)));
  const auto quantized = std::make_shared<const backbone::Int8Linear>(weight, at::kFloat);
  const auto products = std::make_shared<const backbone::Int8Tiles>(quantized);
  const Tensor x = RandomTensors(5)({50, weight.size(1)}).requires_grad_(true);
  const Tensor near = (*products)(x), exact = (*quantized)(x);
  EXPECT_LT(share_of(near - exact, exact), 0.02);
  const Tensor direction = RandomTensors(6)({50, weight.size(0)});
  const auto gradient = [&](const Tensor& y) { return torch::autograd::grad({y}, {x}, {direction}).front(); };
  const Tensor of_exact = gradient(exact);
  EXPECT_LT(share_of(gradient(near) - of_exact, of_exact), 0.02);
}

}  // namespace
}  // namespace peftbench::kernels_test
