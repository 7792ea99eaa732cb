#include "plan/compiled_plan.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

namespace peftbench::compiled_plan_test {

using namespace layers;

namespace {

using support::initialise;

// encoder.input.prompt = 2 · source, the shape of every reparametrisation.
CompiledPlan derived_plan(const BackboneSpec& spec) {
  PlanBuilder builder(spec);
  const Parameter source = builder.parameter(spec.encoder_input(), "source", {2, 20}, init::normal(0, 1));
  builder.derived(spec.encoder_input(), "prompt", {2, 20}, {source}, [source] { return source() * 2; });
  builder.buffer(spec.head(), "prior", {3}, init::ones());
  return CompiledPlan(builder.finish());
}

Tensor no_tensor(int) { return {}; }

TEST(CompiledPlan, StoresDerivedValuesInPlaceOfTheirSources) {
  const BackboneSpec spec = support::tiny_spec();
  CompiledPlan plan = derived_plan(spec);
  initialise(plan);
  plan.refresh(no_tensor);
  const TensorMap stored = plan.stored(), training = plan.training();
  EXPECT_EQ(stored.size(), 2u);
  EXPECT_TRUE(stored.contains("encoder.input.prompt"));
  EXPECT_TRUE(stored.contains("head.prior"));
  EXPECT_TRUE(training.contains("encoder.input.source"));
  EXPECT_FALSE(training.contains("encoder.input.prompt"));
  EXPECT_TRUE(stored.at("encoder.input.prompt").equal(training.at("encoder.input.source") * 2));

  CompiledPlan loaded = derived_plan(spec);
  loaded.load_stored(stored);
  loaded.refresh(no_tensor);  // must not recompute: the source is not there
  EXPECT_TRUE(loaded.stored().at("encoder.input.prompt").equal(stored.at("encoder.input.prompt")));
}

TEST(CompiledPlan, OnlyTrainedParametersRequireAGradient) {
  CompiledPlan plan = derived_plan(support::tiny_spec());
  initialise(plan);
  plan.refresh(no_tensor);
  ASSERT_EQ(plan.trained().size(), 1u);
  for (const auto& slot : plan.slots())
    EXPECT_EQ(slot->value.is_leaf() && slot->value.requires_grad(), slot->role == Role::trained) << slot->name;
}

// An fp32 copy of a bf16 or quantised tensor in every step, only to be thrown away, would cost more than the step.
TEST(CompiledPlan, AFrozenTensorIsNotAskedForWhereATrainedCopyStandsIn) {
  const BackboneSpec spec = support::tiny_spec();
  PlanBuilder builder(spec);
  const Parameter copy = builder.train(spec.parameter("encoder.final_layer_norm.weight"));
  CompiledPlan plan(builder.finish());
  initialise(plan, [](std::string_view) { return at::ones({20}); });
  plan.refresh([](int) -> Tensor { throw Error("asked for"); });
  EXPECT_TRUE(plan.only()->overrides.at(spec.parameter("encoder.final_layer_norm.weight").index).is_same(copy()));
}

TEST(CompiledPlan, ReportsEverythingWrongWithAFileAtOnce) {
  CompiledPlan plan = derived_plan(support::tiny_spec());
  try {
    plan.load_stored({{"encoder.input.prompt", at::ones({3, 20})}, {"decoder.input.prompt", at::ones({1})}});
    FAIL() << "loaded";
  } catch (const CheckpointError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("missing head.prior"), std::string::npos) << message;
    EXPECT_NE(message.find("surplus decoder.input.prompt"), std::string::npos) << message;
    EXPECT_NE(message.find("[3, 20]"), std::string::npos) << message;
  }
}

TEST(CompiledPlan, InitialValuesDoNotDependOnTheOrderOfDeclaration) {
  const BackboneSpec spec = support::tiny_spec();
  const auto value = [&](bool other_first) {
    PlanBuilder builder(spec);
    if (other_first) builder.parameter(spec.head(), "other", {5}, init::normal(0, 1));
    builder.parameter(spec.encoder_input(), "prompt", {2, 20}, init::normal(0, 1));
    CompiledPlan plan(builder.finish());
    initialise(plan);
    return plan.stored().at("encoder.input.prompt");
  };
  EXPECT_TRUE(value(false).equal(value(true)));
}

TEST(CompiledPlan, KnowsWhetherItLeavesTheEncoderAlone) {
  const BackboneSpec spec = support::tiny_spec();
  struct Same final : LinearHook {
    Tensor apply(const LinearCall& call) const override { return call.base(); }
  };
  const auto leaves = [&](const LinearSite& site) {
    PlanBuilder builder(spec);
    builder.claim<Same>(site);
    return CompiledPlan(builder.finish()).leaves_encoder_alone();
  };
  EXPECT_TRUE(CompiledPlan().leaves_encoder_alone());
  EXPECT_TRUE(leaves(spec.lm_head()));
  EXPECT_FALSE(leaves(spec.embedding()));
  for (const LinearSite& site : spec.linears({"q"}))
    EXPECT_EQ(leaves(site), site.stack == Stack::decoder) << site.name();
}

TEST(Initialisers, HaveTheirMoments) {
  support::FakeInitContext context("moments");
  const Shape shape{100, 100};
  EXPECT_NEAR(init::uniform(-0.5, 0.5)(context, shape).std().item<double>(), 1 / std::sqrt(12.0), 5e-3);
  EXPECT_NEAR(init::normal(1, 2)(context, shape).std().item<double>(), 2, 0.05);
  const Tensor cut = init::truncated_normal(0.1)(context, shape);
  EXPECT_LE(cut.abs().max().item<double>(), 0.2 + 1e-6);
  EXPECT_NEAR(cut.std().item<double>(), 0.08796, 2e-3);  // of a normal cut at two deviations
  EXPECT_LE(init::kaiming_uniform()(context, shape).abs().max().item<double>(), 0.1);
}

}  // namespace
}  // namespace peftbench::compiled_plan_test
