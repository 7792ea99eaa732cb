#include "eval/likelihood.h"
#include "plugin/schema.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::head_tuning_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::some_ids;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const TaskShape moods{{"good", "bad", "neither"}, {}};
const Batch inputs{some_ids(9, 1), some_ids(4, 2)};

CompiledPlan plan(const BackboneSpec& spec, const GivenValues& given = {}, const TaskShape& task = moods) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  const auto method = registrar.factory()(parse_values("head_tuning", registrar.schema(), given));
  PlanBuilder builder(spec, task);
  method->plan(spec, builder);
  return CompiledPlan(builder.finish());
}

void initialise(CompiledPlan& made, const Backbone& backbone) {
  support::initialise(made,
                      [&](std::string_view name) { return backbone.frozen(backbone.spec().parameter(name).index); });
}

Tensor scores(const Backbone& backbone, const CompiledPlan& made) {
  at::NoGradGuard no_grad;
  support::refresh(backbone, made);
  const EncoderState encoder = backbone.encode(PackedTokens::of(inputs), made, RunContext::inference());
  return class_log_probabilities(backbone, encoder, made, RunContext::inference());
}

std::string refusal(const GivenValues& given, const TaskShape& task) {
  try {
    plan(support::tiny_spec(), given, task);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(HeadTuning, ScoresClassesFromTheDecodersFirstState) {
  const auto backbone = support::tiny_backbone();
  CompiledPlan made = plan(backbone->spec(), {{"train", "head"}});
  initialise(made, *backbone);
  const auto slots = made.trained();
  ASSERT_EQ(slots.size(), 2u);
  const Tensor weight = at::randn({3, 20}), bias = at::randn({3});
  slots[0]->value = weight;
  slots[1]->value = bias;

  at::NoGradGuard no_grad;
  const RunContext context = RunContext::inference();
  const EncoderState encoder = backbone->encode(PackedTokens::of(inputs), {}, context);
  const Tensor first = backbone->decode(encoder, PackedTokens::of({{0}, {0}}), {}, context).hidden;
  const Tensor expected = at::log_softmax(matmul(first, weight.t()) + bias, -1);
  EXPECT_LT(difference(scores(*backbone, made), expected), 1e-5);
}

TEST(HeadTuning, TheHeadAloneLeavesTheEncoderAlone) {
  const BackboneSpec spec = support::tiny_spec();
  const CompiledPlan alone = plan(spec, {{"train", "head"}});
  EXPECT_THAT(alone.claimed_sites(), ElementsAre("head"));
  EXPECT_TRUE(alone.leaves_encoder_alone());  // so its states are cached
  EXPECT_FALSE(plan(spec).leaves_encoder_alone());
}

// What is left out of training has no part in the scores: another model with other values there gives the same.
TEST(HeadTuning, WhatIsNotTrainedDoesNotMatter) {
  for (const bool tied : {false, true}) {
    const support::TinyOptions options{.gated = !tied, .tied = tied};
    const BackboneSpec spec = support::tiny_spec(options);
    TensorMap tensors = support::tiny_tensors(spec, 1);
    const auto backbone = Backbone::from_tensors(spec, tensors);
    CompiledPlan made = plan(spec);
    initialise(made, *backbone);
    const Tensor before = scores(*backbone, made);
    int left_out = 0;
    for (const auto& entry : spec.tensors()) {
      bool is_trained = false;
      for (const auto& slot : made.trained()) is_trained = is_trained || slot->owner == entry.name;
      if (is_trained) continue;
      ++left_out;
      tensors[entry.name] = at::randn(entry.shape);
    }
    EXPECT_EQ(left_out, 2 * 2 + 1 + (tied ? 0 : 1));  // q and k of both decoder layers, the position bias, lm_head
    EXPECT_EQ(difference(scores(*Backbone::from_tensors(spec, tensors), made), before), 0);
  }
}

TEST(HeadTuning, EverythingTrainedGetsAGradient) {
  const auto backbone = support::tiny_backbone();
  CompiledPlan made = plan(backbone->spec());
  initialise(made, *backbone);
  support::refresh(*backbone, made);
  const RunContext context = RunContext::for_training(0, DropoutShape::per_sequence, 3);
  const EncoderState encoder = backbone->encode(PackedTokens::of(inputs), made, context);
  class_log_probabilities(*backbone, encoder, made, context).select(1, 0).sum().backward();
  for (const auto& slot : made.trained()) {
    ASSERT_TRUE(slot->value.grad().defined()) << slot->name;
    EXPECT_GT(slot->value.grad().abs().max().item<float>(), 0) << slot->name;
  }
}

TEST(HeadTuning, TheTaskSaysHowManyClasses) {
  const auto shape_of = [](const CompiledPlan& made) { return made.slots()[0]->shape; };
  const BackboneSpec spec = support::tiny_spec();
  EXPECT_EQ(shape_of(plan(spec)), (Shape{3, 20}));
  EXPECT_EQ(shape_of(plan(spec, {{"classes", "5"}}, {})), (Shape{5, 20}));
  EXPECT_EQ(shape_of(plan(spec, {{"classes", "3"}})), (Shape{3, 20}));
  EXPECT_THAT(refusal({}, {}), HasSubstr("set classes=2"));
  EXPECT_THAT(refusal({{"classes", "2"}}, moods), HasSubstr("remove classes"));
}

TEST(HeadTuning, TheHeadBeginsSmallAndRandom) {
  const auto backbone = support::tiny_backbone();
  CompiledPlan made = plan(backbone->spec(), {{"classes", "500"}}, {});
  initialise(made, *backbone);
  EXPECT_NEAR(made.trained()[0]->value.std().item<double>(), 0.02, 1e-3);
  EXPECT_EQ(made.trained()[1]->value.abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace peftbench::head_tuning_test
