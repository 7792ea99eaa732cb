// A backbone whose linear maps are quantised: what stays as it was, what a plan sees, and what the graph keeps.
#include "backbone/layers/frozen_linear.h"
#include "support/forward.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <ATen/ops/randn.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace peftbench::backbone {

static void PrintTo(Quantization kind, std::ostream* out) { *out << enum_name(kind); }

}  // namespace peftbench::backbone

namespace peftbench::quantized_backbone_test {

using namespace layers;

namespace {

using support::Batch;
using support::some_ids;

const Batch inputs{some_ids(9, 1), some_ids(40, 2)};
const Batch targets{{0, 5, 6}, {0, 9}};

class QuantizedBackbone : public ::testing::TestWithParam<Quantization> {
 protected:
  static std::shared_ptr<const Backbone> make(const LoadOptions& options, bool tied = false) {
    const BackboneSpec spec = support::tiny_spec({.gated = !tied, .tied = tied});
    return Backbone::from_tensors(spec, support::tiny_tensors(spec, 1), options);
  }
};

// The same weights, dequantised beforehand: what a quantised backbone must compute.
std::shared_ptr<const Backbone> dequantised(const Backbone& backbone) {
  TensorMap tensors;
  for (const ParameterSite& site : backbone.spec().parameters()) tensors[site.tensor] = backbone.frozen(site.index);
  return Backbone::from_tensors(backbone.spec(), std::move(tensors));
}

TEST_P(QuantizedBackbone, QuantisesTheMapsOfTheBlocksAlone) {
  const auto plain = make({}), backbone = make({Precision::float32, GetParam()});
  std::set<std::string> maps;
  for (const LinearSite& site : backbone->spec().linears(backbone->spec().linear_names()))
    maps.insert(site.tensor_name());
  EXPECT_EQ(maps.size(), 3U * 7 + 2 * 11);
  for (const ParameterSite& site : backbone->spec().parameters()) {
    EXPECT_EQ(backbone->form(site.index) == enum_name(GetParam()), maps.contains(site.tensor)) << site.tensor;
    EXPECT_EQ(backbone->frozen(site.index).equal(plain->frozen(site.index)), !maps.contains(site.tensor));
    EXPECT_EQ(backbone->frozen(site.index).sizes(), plain->frozen(site.index).sizes());
  }
  EXPECT_EQ(backbone->quantization(), GetParam());
  EXPECT_LT(backbone->bytes(), plain->bytes() * 2 / 3);
  EXPECT_NE(backbone->checksum(), plain->checksum());
  EXPECT_EQ(backbone->checksum(), make({Precision::float32, GetParam()})->checksum());
}

TEST_P(QuantizedBackbone, ComputesWithTheDequantisedWeights) {
  for (const bool tied : {false, true}) {
    const auto backbone = make({Precision::float32, GetParam()}, tied);
    const Tensor ours = support::logits(*backbone, {}, inputs, targets);
    EXPECT_EQ(support::difference(ours, support::logits(*dequantised(*backbone), {}, inputs, targets)), 0);
    EXPECT_GT(support::difference(ours, support::logits(*make({}, tied), {}, inputs, targets)), 0);
  }
}

TEST_P(QuantizedBackbone, ComputesInBf16WhereThatIsThePrecision) {
  const Tensor exact = support::logits(*make({Precision::float32, GetParam()}), {}, inputs, targets);
  const auto narrow = make({Precision::bfloat16, GetParam()});
  const int q = narrow->spec().parameter(narrow->spec().linears({"q"}).front().tensor_name()).index;
  EXPECT_EQ(narrow->frozen(q).scalar_type(), at::kBFloat16);
  const Tensor rounded = support::logits(*narrow, {}, inputs, targets);
  EXPECT_EQ(rounded.scalar_type(), at::kFloat);
  EXPECT_LT(support::difference(exact, rounded), 0.05 * exact.abs().max().item<double>());
  EXPECT_GT(support::difference(exact, rounded), 0);
}

struct Prompt final : InputHook {
  explicit Prompt(Tensor rows) : rows_(std::move(rows)) {}
  Embedded apply(const InputCall& call) const override { return prepend(call.input(), rows_); }
  Tensor rows_;
};

Tensor prompt_gradient(const Backbone& backbone) {
  Tensor prompt =
      at::randn({3, backbone.spec().d_model}, at::make_generator<at::CPUGeneratorImpl>(4)).set_requires_grad(true);
  const CompiledPlan plan = support::plan_with(backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.claim<Prompt>(spec.encoder_input(), prompt);
  });
  const RunContext context = RunContext::inference();
  const EncoderState encoder = backbone.encode(PackedTokens::of(inputs), plan, context);
  backbone.head(backbone.decode(encoder, PackedTokens::of(targets), plan, context), plan, context)
      .square()
      .mean()
      .backward();
  return prompt.grad();
}

TEST_P(QuantizedBackbone, GradientsPassThrough) {
  const auto backbone = make({Precision::float32, GetParam()});
  const Tensor ours = prompt_gradient(*backbone), expected = prompt_gradient(*dequantised(*backbone));
  EXPECT_LT(support::difference(ours, expected), 1e-5 * expected.abs().max().item<double>());
}

struct Doubled final : ParameterHook {
  Tensor value(const Tensor& frozen) const override { return frozen * 2.0; }
};

TEST_P(QuantizedBackbone, AStandInIsMadeFromTheDequantisedTensor) {
  const auto backbone = make({Precision::float32, GetParam()});
  const std::string name = "encoder.block.1.layer.1.DenseReluDense.wo.weight";
  const CompiledPlan plan = support::plan_with(
      *backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) { builder.claim<Doubled>(spec.parameter(name)); });
  TensorMap tensors;
  for (const ParameterSite& site : backbone->spec().parameters())
    tensors[site.tensor] = backbone->frozen(site.index) * (site.tensor == name ? 2.0 : 1.0);
  const auto expected = Backbone::from_tensors(backbone->spec(), std::move(tensors));
  EXPECT_EQ(support::difference(support::logits(*backbone, plan, inputs, targets),
                                support::logits(*expected, {}, inputs, targets)),
            0);
}

TEST_P(QuantizedBackbone, RefusesNumbersThatAreNotFinite) {
  const BackboneSpec spec = support::tiny_spec();
  TensorMap tensors = support::tiny_tensors(spec, 1);
  tensors.at("decoder.block.0.layer.1.EncDecAttention.k.weight")[2][3].fill_(NAN);
  try {
    Backbone::from_tensors(spec, tensors, {Precision::float32, GetParam()});
    FAIL() << "a weight that is no number was quantised";
  } catch (const CheckpointError& error) {
    EXPECT_NE(std::string(error.what()).find("EncDecAttention.k.weight"), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, QuantizedBackbone, ::testing::Values(Quantization::nf4, Quantization::int8),
                         [](const auto& kind) { return std::string(enum_name(kind.param)); });

// Counts what the CPU allocator gives out and gets back.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() : inner_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, 200); }
  ~CountingAllocator() override { c10::SetCPUAllocator(inner_, 200); }
  c10::DataPtr allocate(std::size_t bytes) override {
    live_ += static_cast<int64_t>(bytes);
    struct Block {
      c10::DataPtr data;
      CountingAllocator* owner;
      std::size_t bytes;
    };
    auto* block = new Block{inner_->allocate(bytes), this, bytes};
    return {block->data.get(), block,
            [](void* context) {
              auto* owned = static_cast<Block*>(context);
              owned->owner->live_ -= static_cast<int64_t>(owned->bytes);
              delete owned;
            },
            c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }
  int64_t live() const { return live_; }

 private:
  c10::Allocator* inner_;
  int64_t live_ = 0;
};

TEST(QuantizedGraph, KeepsNoDequantisedWeight) {
  constexpr int64_t in = 96, out = 1000;
  const auto quantized = quantize(at::randn({out, in}), Quantization::nf4);
  const Tensor weight = quantized->dequantize(at::kFloat);
  Tensor x = at::randn({2, in}).set_requires_grad(true);
  const CountingAllocator counter;
  const int64_t before = counter.live();
  const Tensor y = (*quantized)(x)*2.0;
  EXPECT_LT(counter.live() - before, out * in);            // bytes: the results alone, and no copy of 4 · out · in
  const Tensor plain = at::linear(x, weight * 1.0) * 2.0;  // what is frozen but made on the way is kept
  EXPECT_GE(counter.live() - before, out * in * 4);
}

}  // namespace
}  // namespace peftbench::quantized_backbone_test
