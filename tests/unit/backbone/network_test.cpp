// Switches of an architecture that no shipped T5 has: each against the same network said in another way.
#include "architectures/architecture.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace peftbench::network_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::logits;
using support::some_ids;

const Batch inputs{some_ids(9, 1), some_ids(40, 2)}, targets{{0, 5, 6}, {0, 9}};
constexpr double close = 1e-5;

BackboneSpec with_own_biases() {
  BackboneSpec spec = support::tiny_spec();
  spec.bias_per_layer = true;
  return spec;
}

// Each layer of a stack has the first one's table.
TensorMap with_equal_biases() {
  TensorMap tensors = support::tiny_tensors(support::tiny_spec(), 1);
  for (const TensorEntry& entry : with_own_biases().tensors()) {
    if (entry.role.kind != TensorKind::position_bias) continue;
    TensorRole first = entry.role;
    first.layer = 0;
    tensors[entry.name] =
        tensors.at(architectures::tensor_name(architectures::architecture_named("t5"), first)).clone();
  }
  return tensors;
}

TEST(BiasPerLayer, EqualTablesAreASharedOne) {
  const auto own = Backbone::from_tensors(with_own_biases(), with_equal_biases());
  EXPECT_EQ(own->spec().tensors().size(), support::tiny_spec().tensors().size() + 2 + 1);
  EXPECT_EQ(difference(logits(*own, {}, inputs, targets), logits(*support::tiny_backbone(), {}, inputs, targets)), 0);
}

TEST(BiasPerLayer, EachLayerUsesItsOwn) {
  const BackboneSpec spec = with_own_biases();
  const auto equal = Backbone::from_tensors(spec, with_equal_biases());
  const Tensor before = logits(*equal, {}, inputs, targets);
  for (const ParameterSite& site : spec.parameters()) {
    if (site.role.kind != TensorKind::position_bias) continue;
    TensorMap tensors = with_equal_biases();
    tensors[site.tensor] = tensors.at(site.tensor) + at::randn(site.shape);
    const Tensor expected = logits(*Backbone::from_tensors(spec, tensors), {}, inputs, targets);
    EXPECT_GT(difference(expected, before), 1e-3) << site.tensor;
    // A trained table in its place does the same.
    const CompiledPlan plan = [&] {
      CompiledPlan made =
          support::plan_with(*equal, [&](const BackboneSpec&, PlanBuilder& builder) { builder.train(site); });
      support::initialise(made, [&](std::string_view) { return tensors.at(site.tensor); });
      return made;
    }();
    EXPECT_LT(difference(logits(*equal, plan, inputs, targets), expected), close) << site.tensor;
  }
}

TEST(AttentionScale, IsAFactorOfTheQueries) {
  BackboneSpec scaled = support::tiny_spec();
  scaled.attention_scale = 0.5;
  TensorMap tensors = support::tiny_tensors(scaled, 1);
  const Tensor found = logits(*Backbone::from_tensors(scaled, tensors), {}, inputs, targets);
  for (const TensorEntry& entry : scaled.tensors())
    if (entry.role.map == "q") tensors[entry.name] = tensors[entry.name] * 0.5;
  const Tensor expected = logits(*Backbone::from_tensors(support::tiny_spec(), tensors), {}, inputs, targets);
  EXPECT_LT(difference(found, expected), close);
  EXPECT_GT(difference(found, logits(*support::tiny_backbone(), {}, inputs, targets)), 1e-3);
}

}  // namespace
}  // namespace peftbench::network_test
