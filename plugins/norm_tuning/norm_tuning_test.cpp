#include "plugin/schema.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/abi.h>
#include <peftbench/method.h>

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::norm_tuning_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::logits;
using support::some_ids;

CompiledPlan plan(const BackboneSpec& spec) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  const auto method = registrar.factory()(parse_values("norm_tuning", registrar.schema(), {}));
  PlanBuilder builder(spec);
  method->plan(spec, builder);
  return CompiledPlan(builder.finish());
}

// (2·Le + 3·Ld)·D + 2D
TEST(NormTuning, TrainsEveryScaleAndNothingElse) {
  BackboneSpec base = support::tiny_spec();
  base.d_model = 768;
  base.encoder_layers = base.decoder_layers = 12;
  int64_t total = 0;
  for (const auto& slot : plan(base).slots()) {
    EXPECT_TRUE(slot->name.ends_with("layer_norm.weight.trained")) << slot->name;
    EXPECT_EQ(slot->role, Role::trained);
    EXPECT_EQ(slot->shape, (Shape{768}));
    EXPECT_EQ(slot->weight_decay_scale, 0);
    total += 768;
  }
  EXPECT_EQ(total, 47616);
}

// Trained to the scales of another model, it is that model with all else as it was.
TEST(NormTuning, ScalesStandInForTheFrozenOnes) {
  const BackboneSpec spec = support::tiny_spec();
  TensorMap tensors = support::tiny_tensors(spec, 1);
  const auto backbone = Backbone::from_tensors(spec, tensors);
  const CompiledPlan made = plan(spec);
  for (const auto& slot : made.trained()) {
    const Tensor scale = at::randn({20});
    slot->value = scale;
    tensors[slot->owner] = scale;
  }
  const Batch inputs{some_ids(9, 1), some_ids(4, 2)}, targets{{0, 5, 6}, {0, 9}};
  const Tensor other = logits(*Backbone::from_tensors(spec, tensors), {}, inputs, targets);
  EXPECT_EQ(difference(logits(*backbone, made, inputs, targets), other), 0);
  EXPECT_GT(difference(logits(*backbone, {}, inputs, targets), other), 0.1);
}

}  // namespace
}  // namespace peftbench::norm_tuning_test
