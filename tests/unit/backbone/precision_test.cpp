// bf16 weights: everything that must stay fp32 does, and results stay near those of fp32.
#include "support/forward.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace peftbench::precision_test {

using namespace layers;

namespace {

using support::Batch;
using support::some_ids;

const Batch inputs{some_ids(9, 1), some_ids(40, 2)};
const Batch targets{{0, 5, 6}, {0, 9}};

std::shared_ptr<const Backbone> in(Precision precision, bool tied) {
  const BackboneSpec spec = support::tiny_spec({.gated = !tied, .tied = tied});
  return Backbone::from_tensors(spec, support::tiny_tensors(spec, 1), {precision});
}

TEST(Bfloat16, LogitsAreFp32AndNearThoseOfFp32) {
  for (const bool tied : {false, true}) {
    const Tensor exact = support::logits(*in(Precision::float32, tied), {}, inputs, targets);
    const Tensor rounded = support::logits(*in(Precision::bfloat16, tied), {}, inputs, targets);
    EXPECT_EQ(rounded.scalar_type(), at::kFloat);
    // 8 bits of mantissa through some twenty matrices.
    EXPECT_LT(support::difference(exact, rounded), 0.05 * exact.abs().max().item<double>());
    EXPECT_GT(support::difference(exact, rounded), 0);
  }
}

TEST(Bfloat16, NormsAndBiasStayFp32AndMatricesDoNot) {
  const auto backbone = in(Precision::bfloat16, false);
  for (const ParameterSite& site : backbone->spec().parameters()) {
    const bool small =
        site.tensor.ends_with("layer_norm.weight") || site.tensor.find("relative_attention_bias") != std::string::npos;
    EXPECT_EQ(backbone->frozen(site.index).scalar_type(), small ? at::kFloat : at::kBFloat16) << site.tensor;
  }
}

struct Prompt final : InputHook {
  explicit Prompt(Tensor rows) : rows_(std::move(rows)) {}
  Embedded apply(const InputCall& call) const override {
    EXPECT_EQ(call.embeddings.scalar_type(), at::kFloat);
    return prepend(call.input(), rows_);
  }
  Tensor rows_;
};

TEST(Bfloat16, TrainedParametersGetFp32GradientsNearThoseOfFp32) {
  const auto gradient = [](Precision precision) {
    const auto backbone = in(precision, false);
    Tensor prompt =
        at::randn({3, backbone->spec().d_model}, at::make_generator<at::CPUGeneratorImpl>(4)).set_requires_grad(true);
    const CompiledPlan plan = support::plan_with(*backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) {
      builder.claim<Prompt>(spec.encoder_input(), prompt);
    });
    const RunContext context = RunContext::inference();
    const EncoderState encoder = backbone->encode(PackedTokens::of(inputs), plan, context);
    backbone->head(backbone->decode(encoder, PackedTokens::of(targets), plan, context), plan, context)
        .square()
        .mean()
        .backward();
    return prompt.grad();
  };
  const Tensor exact = gradient(Precision::float32), rounded = gradient(Precision::bfloat16);
  EXPECT_EQ(rounded.scalar_type(), at::kFloat);
  // Direction and size, not entries: rounding errors of this depth add up in single ones.
  EXPECT_LT((exact - rounded).norm().item<double>(), 0.15 * exact.norm().item<double>());
}

}  // namespace
}  // namespace peftbench::precision_test
