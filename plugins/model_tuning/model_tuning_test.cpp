#include "plugin/schema.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/abi.h>
#include <peftbench/method.h>

#include <gtest/gtest.h>

#include <map>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::model_tuning_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::logits;
using support::some_ids;

CompiledPlan plan(const BackboneSpec& spec) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  const auto method = registrar.factory()(parse_values("model_tuning", registrar.schema(), {}));
  PlanBuilder builder(spec);
  method->plan(spec, builder);
  return CompiledPlan(builder.finish());
}

int64_t trained(const BackboneSpec& spec) {
  int64_t total = 0;
  for (const auto& slot : plan(spec).trained()) {
    int64_t elements = 1;
    for (const int64_t size : slot->shape) elements *= size;
    total += elements;
  }
  return total;
}

// The totals of the published models.
TEST(ModelTuning, TrainsEveryParameterOnce) {
  BackboneSpec base;
  base.vocab_size = 32128;
  base.d_model = 768;
  base.d_kv = 64;
  base.num_heads = 12;
  base.d_ff = 2048;
  base.encoder_layers = base.decoder_layers = 12;
  base.gated = true;
  EXPECT_EQ(trained(base), 247577856);  // v1.1
  base.d_ff = 3072;
  base.gated = false;
  base.tied = base.scale_logits = true;
  EXPECT_EQ(trained(base), 222903552);  // v1.0, whose one table is counted once
}

// Trained to the tensors of another model it is that model, whether its tables are tied or not.
TEST(ModelTuning, BecomesAnyOtherModel) {
  const Batch inputs{some_ids(9, 1), some_ids(4, 2)}, targets{{0, 5, 6}, {0, 9}};
  for (const bool tied : {false, true}) {
    const support::TinyOptions options{.gated = !tied, .tied = tied};
    const BackboneSpec spec = support::tiny_spec(options);
    const auto backbone = support::tiny_backbone(options);
    const TensorMap tensors = support::tiny_tensors(spec, 2);
    CompiledPlan made = plan(spec);
    support::initialise(made, [&](std::string_view name) { return backbone->frozen(spec.parameter(name).index); });
    const Tensor frozen = logits(*backbone, {}, inputs, targets);
    EXPECT_EQ(difference(logits(*backbone, made, inputs, targets), frozen), 0);
    for (const auto& slot : made.trained()) slot->value = tensors.at(slot->owner);
    const Tensor other = logits(*Backbone::from_tensors(spec, tensors), {}, inputs, targets);
    EXPECT_EQ(difference(logits(*backbone, made, inputs, targets), other), 0);
    EXPECT_GT(difference(frozen, other), 1);
  }
}

TEST(ModelTuning, RecommendsT5sOwnFineTuning) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  const auto& advice = registrar.schema().recommendations();
  const std::map<std::string, std::string> keys(advice.begin(), advice.end());
  EXPECT_EQ(keys.at("train.optimizer"), "adafactor");
  EXPECT_EQ(keys.at("train.learning_rate"), "1e-3");
  EXPECT_EQ(keys.at("train.adafactor.multiply_by_parameter_scale"), "true");
  EXPECT_EQ(keys.at("train.adafactor.weight_decay_rate"), "0");
  EXPECT_EQ(keys.count("train.adafactor.initial_step"), 0u);  // the second moments of pre-training are not there
}

}  // namespace
}  // namespace peftbench::model_tuning_test
