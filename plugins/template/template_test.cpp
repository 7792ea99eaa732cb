#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include "plugin/schema.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/ops/randn.h>
#include <gmock/gmock.h>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::template_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::logits;
using support::some_ids;

const Batch inputs{some_ids(9, 1), some_ids(4, 2)}, targets{{0, 5, 6}, {0, 9}};

CompiledPlan plan(const Backbone& backbone, const GivenValues& given) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  const auto method = registrar.factory()(parse_values("template", registrar.schema(), given));
  PlanBuilder builder(backbone.spec());
  method->plan(backbone.spec(), builder);
  CompiledPlan made(builder.finish());
  support::initialise(made);
  return made;
}

TEST(Template, HasAnOffsetForEachOutput) {
  const auto backbone = support::tiny_backbone();
  const CompiledPlan made = plan(*backbone, {{"targets", "q,wo"}});
  const BackboneSpec& spec = backbone->spec();
  int64_t expected = 0, found = 0;
  for (const LinearSite& site : spec.linears({"q", "wo"})) expected += site.out_features();
  for (const auto& slot : made.trained()) found += slot->value.numel();
  EXPECT_EQ(found, expected);
  EXPECT_EQ(made.claimed_sites().size(), spec.linears({"q", "wo"}).size());
}

TEST(Template, BeginsAsTheFrozenBackbone) {
  const auto backbone = support::tiny_backbone();
  EXPECT_EQ(difference(logits(*backbone, plan(*backbone, {}), inputs, targets), logits(*backbone, {}, inputs, targets)),
            0);
}

// Attention weights of a row sum to 1, so an offset s·b on all values is an offset s·W_o b on what they are mapped to.
TEST(Template, AnOffsetOfValuesIsOneOfOutputs) {
  const auto backbone = support::tiny_backbone();
  const CompiledPlan values = plan(*backbone, {{"targets", "v"}, {"scale", "0.5"}});
  const CompiledPlan outputs = plan(*backbone, {{"targets", "o"}});
  const auto maps = backbone->spec().linears({"o"});
  ASSERT_EQ(values.trained().size(), maps.size());
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const Tensor weight = backbone->frozen(backbone->spec().parameter(maps[i].tensor_name()).index);
    const Tensor offset = at::randn({weight.size(1)});
    values.trained()[i]->value = offset;
    outputs.trained()[i]->value = weight.mv(offset) * 0.5;
  }
  const Tensor moved = logits(*backbone, values, inputs, targets);
  EXPECT_LT(difference(moved, logits(*backbone, outputs, inputs, targets)), 2e-5);
  EXPECT_GT(difference(moved, logits(*backbone, {}, inputs, targets)), 1e-2);
}

TEST(Template, AMapThatTheBackboneLacksIsRefused) {
  const auto backbone = support::tiny_backbone();  // gated: wi_0 and wi_1, no wi
  EXPECT_THROW(plan(*backbone, {{"targets", "wi"}}), ConfigError);
}

}  // namespace
}  // namespace peftbench::template_test
