// S1: what a pass gives without training is finite, or an error that names the sequence and the tensor.
#include "backbone/finite.h"
#include "support/layers.h"

#include "backbone/generation.h"
#include "support/forward.h"
#include "support/tiny_backbone.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

namespace peftbench::finite_test {

using namespace layers;

namespace {

using namespace support;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Kind = NotFiniteCause::Kind;

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr const char* wo = "encoder.block.1.layer.1.DenseReluDense.wo.weight";

std::shared_ptr<const Backbone> with_value(const std::string& tensor, std::int64_t element, float value) {
  const BackboneSpec spec = tiny_spec();
  TensorMap tensors = tiny_tensors(spec, 1);
  tensors.at(tensor).view({-1})[element].fill_(value);
  return Backbone::from_tensors(spec, tensors);
}

struct Prompt final : InputHook {
  explicit Prompt(Parameter rows) : rows(std::move(rows)) {}
  Embedded apply(const InputCall& call) const override { return prepend(call.input(), rows()); }
  Parameter rows;
};
struct Gain final : LinearHook {
  explicit Gain(Parameter factor) : factor(std::move(factor)) {}
  Tensor apply(const LinearCall& call) const override { return call.base() * factor(); }
  Parameter factor;
};

CompiledPlan prompt_of(const Backbone& backbone, float value) {
  CompiledPlan plan = plan_with(backbone, [](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.set_claimant("some_method");
    builder.claim<Prompt>(spec.encoder_input(),
                          builder.parameter(spec.encoder_input(), "prompt", {2, spec.d_model}, init::zeros()));
  });
  plan.load_training({{"encoder.input.prompt", at::full({2, 20}, value)}});
  return plan;
}

// Scales the decoder's values, so the encoder does not notice.
CompiledPlan gain_of(const Backbone& backbone, float value) {
  CompiledPlan plan = plan_with(backbone, [](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.set_claimant("some_method");
    for (const LinearSite& site : spec.linears({"v"}))
      if (site.stack == Stack::decoder)
        builder.claim<Gain>(site, builder.parameter(site, "gain", {site.out}, init::ones()));
  });
  TensorMap values;
  for (const auto& slot : plan.slots()) values[slot->name] = at::full({12}, value);
  plan.load_training(values);
  return plan;
}

template <class Pass>
std::optional<NotFiniteError> error_of(Pass pass) {
  try {
    pass();
  } catch (const NotFiniteError& error) {
    return error;
  }
  return std::nullopt;
}

std::optional<NotFiniteError> error_of_logits(const Backbone& backbone, const CompiledPlan& plan, Ids groups = {}) {
  return error_of([&] { logits(backbone, plan, {{5, 6, 1}, {7, 1}}, {{0, 8}, {0, 9}}, groups); });
}

TEST(Finite, LargeNumbersWhoseSumOverflowsAre) {
  EXPECT_TRUE(all_finite(at::full({100}, 3e38F)));
  EXPECT_FALSE(all_finite(at::tensor({1.F, inf, -inf})));
  EXPECT_FALSE(all_finite(at::tensor({1.F, nan})));
  EXPECT_EQ(first_row_not_finite(at::tensor({1.F, 2.F, 3.F, nan}).view({2, 2})), 1);
  EXPECT_EQ(first_row_not_finite(at::full({2, 2}, 3e38F)), std::nullopt);
}

TEST(Finite, AWeightIsNamedWhereverItIs) {
  for (const char* tensor : {wo, "shared.weight", "decoder.block.1.layer.1.EncDecAttention.k.weight", "lm_head.weight",
                             "decoder.block.0.layer.2.DenseReluDense.wi_0.weight"}) {
    for (const float value : {inf, -inf, nan}) {
      const auto backbone = with_value(tensor, 5 * 20, value);  // shared: the row of a word that is in the input
      const auto error = error_of_logits(*backbone, CompiledPlan());
      ASSERT_TRUE(error) << tensor << " " << value;
      EXPECT_EQ(error->exit_code(), 1);
      EXPECT_EQ(error->cause().kind, Kind::backbone);
      EXPECT_THAT(error->what(),
                  AllOf(HasSubstr(std::string(tensor) + " of the backbone holds 1 "),
                        HasSubstr(std::isnan(value) ? "1 NaN" : "1 inf"), HasSubstr("download the model")));
    }
  }
}

TEST(Finite, TheSequenceIsTold) {
  const auto backbone = with_value("shared.weight", 7 * 20, inf);  // a word of the second input alone
  const auto error = error_of_logits(*backbone, CompiledPlan());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->place(), 1);
  EXPECT_THAT(error->of("test example 4").what(), HasSubstr("the outputs for test example 4 are not finite"));
  EXPECT_EQ(error->at(7).place(), 7);
  // A row that no input and no output needs changes nothing.
  const auto unused = with_value("shared.weight", 30 * 20, inf);
  EXPECT_FALSE(error_of_logits(*unused, CompiledPlan()));
}

TEST(Finite, TheMethodsTensorsAreNamedToo) {
  const auto backbone = tiny_backbone();
  for (const float value : {inf, nan}) {
    const auto error = error_of_logits(*backbone, prompt_of(*backbone, value));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->cause().kind, Kind::method);
    EXPECT_THAT(error->what(), HasSubstr("encoder.input.prompt of some_method holds 40 "));
  }
  EXPECT_FALSE(error_of_logits(*backbone, prompt_of(*backbone, 1)));
}

TEST(Finite, AnOverflowThatTheNormWouldHideIsFound) {
  const auto backbone = tiny_backbone();
  const auto error = error_of_logits(*backbone, prompt_of(*backbone, 3e37F));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->cause().kind, Kind::overflow);
  EXPECT_THAT(error->what(),
              AllOf(HasSubstr("all tensors are finite"), HasSubstr("3e+37, in encoder.input.prompt of some_method")));
}

TEST(Finite, InAStackTheAdapterIsNumbered) {
  const auto backbone = tiny_backbone();
  const CompiledPlan stack = CompiledPlan::stack({prompt_of(*backbone, 1), prompt_of(*backbone, nan)});
  const auto error = error_of_logits(*backbone, stack, {0, 1});
  ASSERT_TRUE(error);
  EXPECT_EQ(error->place(), 1);
  EXPECT_THAT(error->what(), HasSubstr("of some_method (adapter 1)"));
}

TEST(Finite, GenerationTellsTheSequenceOfTheBatch) {
  const auto backbone = tiny_backbone();
  const CompiledPlan stack = CompiledPlan::stack({gain_of(*backbone, 1), gain_of(*backbone, nan)});
  const PackedTokens input = PackedTokens::of({{5, 1}, {6, 1}, {7, 1}}, {0, 0, 1});
  refresh(*backbone, stack);
  const EncoderState encoder = backbone->encode(input, stack, RunContext::inference());
  for (const std::int64_t beams : {1, 3}) {
    const auto error = error_of([&] { generate(*backbone, encoder, stack, {4, beams, 1.0}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->place(), 2);
  }
}

TEST(Finite, TrainingLooksAtItsLossItself) {
  const auto backbone = with_value(wo, 0, inf);
  const auto training = RunContext::for_training(0, DropoutShape::elementwise, 1);
  EXPECT_FALSE(error_of([&] { backbone->encode(PackedTokens::of({{5, 1}}), CompiledPlan(), training); }));
}

}  // namespace
}  // namespace peftbench::finite_test
