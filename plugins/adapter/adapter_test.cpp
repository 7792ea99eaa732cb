#include "plugin/schema.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sigmoid.h>
#include <gmock/gmock.h>

#include <set>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::adapter_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::logits;
using support::some_ids;
using support::tiny_backbone;

const Batch inputs{some_ids(9, 1), some_ids(4, 2)}, targets{{0, 5, 6}, {0, 9}};

CompiledPlan plan(const BackboneSpec& spec, const GivenValues& given) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  const auto method = registrar.factory()(parse_values("adapter", registrar.schema(), given));
  PlanBuilder builder(spec);
  method->plan(spec, builder);
  return CompiledPlan(builder.finish());
}

CompiledPlan initialised(const Backbone& backbone, const GivenValues& given) {
  CompiledPlan made = plan(backbone.spec(), given);
  support::initialise(made,
                      [&](std::string_view name) { return backbone.frozen(backbone.spec().parameter(name).index); });
  return made;
}

BackboneSpec base() {
  BackboneSpec spec;
  spec.name = "v1.1-base";
  spec.vocab_size = 32128;
  spec.d_model = 768;
  spec.d_kv = 64;
  spec.num_heads = 12;
  spec.d_ff = 2048;
  spec.encoder_layers = spec.decoder_layers = 12;
  spec.gated = true;
  return spec;
}

struct Count {
  int64_t adapters = 0, norms = 0;
};
Count count(const CompiledPlan& made) {
  Count total;
  for (const auto& slot : made.trained()) {
    int64_t elements = 1;
    for (const int64_t size : slot->shape) elements *= size;
    (slot->overrides ? total.norms : total.adapters) += elements;
  }
  return total;
}

// 2mD + D + m a site; (2 + 3)·L·D + 2D scales of norms.
TEST(Adapter, CountsOfV11Base) {
  EXPECT_EQ(count(plan(base(), {})).adapters, 5948160);
  EXPECT_EQ(count(plan(base(), {})).norms, 47616);
  EXPECT_EQ(count(plan(base(), {{"kind", "pfeiffer"}})).adapters, 2379264);
  EXPECT_EQ(count(plan(base(), {{"kind", "pfeiffer"}})).norms, 0);
  EXPECT_EQ(count(plan(base(), {{"kind", "parallel"}, {"bottleneck", "512"}})).adapters,
            24 * (2 * 512 * 768 + 512 + 768));
  // T-Few's own configuration: reduction 32, feed-forward sites alone, norms trained.
  const Count few = count(plan(base(), {{"sites", "ffn"}, {"bottleneck", "24"}}));
  EXPECT_EQ(few.adapters, 24 * (2 * 24 * 768 + 24 + 768));
  EXPECT_EQ(few.norms, 47616);
}

TEST(Adapter, KindsChooseSitesAndNorms) {
  const BackboneSpec spec = support::tiny_spec();  // 3 + 2 layers: 3·2 + 2·3 sublayers
  const auto sites = [&](const GivenValues& given) {
    const auto all = plan(spec, given).claimed_sites();
    return std::set<std::string>(all.begin(), all.end());
  };
  EXPECT_EQ(sites({{"train_norms", "no"}}).size(), 12u);
  EXPECT_EQ(sites({}).size(), 12u + 14u);  // a norm a sublayer, and one at the end of each stack
  EXPECT_EQ(sites({{"kind", "pfeiffer"}}), (std::set<std::string>{"encoder.0.ffn", "encoder.1.ffn", "encoder.2.ffn",
                                                                  "decoder.0.ffn", "decoder.1.ffn"}));
  EXPECT_EQ(sites({{"kind", "parallel"}, {"sites", "cross"}}),
            (std::set<std::string>{"decoder.0.cross", "decoder.1.cross"}));
  EXPECT_EQ(sites({{"kind", "pfeiffer"}, {"train_norms", "yes"}}).size(), 5u + 14u);
  EXPECT_TRUE(plan(spec, {{"sites", "cross"}, {"train_norms", "no"}}).leaves_encoder_alone());
  EXPECT_THROW(plan(spec, {{"sites", "wo"}}), ConfigError);
  EXPECT_THROW(plan(spec, {{"bottleneck", "0"}}), ConfigError);
}

// One sublayer's hook against its equation.
class Equation : public ::testing::Test {
 protected:
  // What the hook at encoder.1.ffn makes of residual, input and output, with random weights.
  Tensor hooked(const GivenValues& given, const RunContext& context = RunContext::inference()) {
    const CompiledPlan made = initialised(*backbone, given);
    for (const auto& slot : made.trained()) {
      slot->value = at::randn(slot->shape) * 0.3;
      const auto is = [&](const char* name) { return slot->name == std::string("encoder.1.ffn.") + name; };
      if (is("down")) down = slot->value;
      if (is("down_bias")) down_bias = slot->value;
      if (is("up")) up = slot->value;
      if (is("up_bias")) up_bias = slot->value;
    }
    const auto all = backbone->spec().sublayers();
    const auto site = std::find_if(all.begin(), all.end(), [](const auto& s) { return s.name() == "encoder.1.ffn"; });
    const TokenLayout layout = TokenLayout::of({4, 2});
    at::NoGradGuard no_grad;
    return made.groups()[0]->sublayer[static_cast<std::size_t>(site->index)]->apply(
        {{context, layout}, residual, input, output});
  }
  Tensor hidden(const Tensor& read) const { return matmul(read, down.t()) + down_bias; }
  Tensor raised(const Tensor& inner) const { return matmul(inner, up.t()) + up_bias; }

  std::shared_ptr<const Backbone> backbone = tiny_backbone();
  Tensor residual = at::randn({6, 20}), input = at::randn({6, 20}), output = at::randn({6, 20});
  Tensor down, down_bias, up, up_bias;
};

TEST_F(Equation, HoulsbyReadsTheOutput) {
  const Tensor y = hooked({{"bottleneck", "7"}});
  EXPECT_EQ(down.sizes(), (Shape{7, 20}));
  EXPECT_LT(difference(y, output + raised(at::gelu(hidden(output), "tanh"))), 1e-5);
}

TEST_F(Equation, PfeifferReadsTheSumWithTheResidual) {
  const Tensor y = hooked({{"kind", "pfeiffer"}});
  EXPECT_LT(difference(y, output + raised(at::relu(hidden(residual + output)))), 1e-5);
}

TEST_F(Equation, ParallelReadsWhatTheSublayerReadAndIsScaled) {
  const Tensor y = hooked({{"kind", "parallel"}});
  EXPECT_LT(difference(y, output + 4 * raised(at::relu(hidden(input)))), 1e-5);
}

TEST_F(Equation, EveryPartIsAnOption) {
  const Tensor y = hooked({{"kind", "parallel"}, {"reads", "residual"}, {"activation", "swish"}, {"scale", "0.5"}});
  const Tensor inner = hidden(residual);
  EXPECT_LT(difference(y, output + 0.5 * raised(inner * at::sigmoid(inner))), 1e-5);
  const Tensor other = hooked({{"kind", "pfeiffer"}, {"reads", "output"}});
  EXPECT_LT(difference(other, output + raised(at::relu(hidden(output)))), 1e-5);
}

TEST_F(Equation, DropoutIsOfWhatIsAddedAndOfTrainingAlone) {
  const GivenValues given{{"dropout", "0.5"}};
  const Tensor still = hooked(given);
  EXPECT_LT(difference(still, output + raised(at::gelu(hidden(output), "tanh"))), 1e-5);
  const Tensor added = hooked(given, RunContext::for_training(0, DropoutShape::elementwise, 3)) - output;
  const Tensor whole = raised(at::gelu(hidden(output), "tanh"));
  const Tensor kept = added.abs() > 1e-6;
  EXPECT_GT(kept.sum().item<int64_t>(), 30);
  EXPECT_LT(kept.sum().item<int64_t>(), 90);
  EXPECT_LT(difference(added, kept.to(at::kFloat) * whole * 2), 1e-5);
}

// Exactly, and for every kind; the sources' own first values are near it and not at it.
TEST(Adapter, BeginsAsTheFrozenBackbone) {
  const auto backbone = tiny_backbone();
  const Tensor frozen = logits(*backbone, {}, inputs, targets);
  for (const char* kind : {"houlsby", "pfeiffer", "parallel"}) {
    EXPECT_EQ(difference(logits(*backbone, initialised(*backbone, {{"kind", kind}}), inputs, targets), frozen), 0)
        << kind;
  }
  const double near =
      difference(logits(*backbone, initialised(*backbone, {{"init", "houlsby"}}), inputs, targets), frozen);
  EXPECT_GT(near, 0);
  EXPECT_LT(near, 1e-2);
}

TEST(Adapter, FirstValues) {
  const auto backbone = tiny_backbone();
  const auto value = [&](const char* init, const std::string& name) {
    const CompiledPlan made = initialised(*backbone, {{"init", init}, {"bottleneck", "400"}});
    for (const auto& slot : made.trained())
      if (slot->name == "decoder.1.cross." + name) return slot->value.detach();
    throw Error("no parameter " + name);
  };
  const double bound = 1 / std::sqrt(20.0);
  EXPECT_LE(value("zero_up", "down").abs().max().item<double>(), bound);
  EXPECT_GT(value("zero_up", "down").abs().max().item<double>(), 0.99 * bound);
  EXPECT_EQ(value("zero_up", "up").abs().max().item<double>(), 0);
  for (const char* name : {"down", "up"}) {
    EXPECT_LE(value("houlsby", name).abs().max().item<double>(), 2e-3) << name;
    EXPECT_GT(value("houlsby", name).abs().max().item<double>(), 1.9e-3) << name;
    EXPECT_NEAR(value("adapterhub", name).std().item<double>(), 0.02, 1e-3) << name;
  }
  for (const char* init : {"zero_up", "houlsby", "adapterhub"}) {
    EXPECT_EQ(value(init, "down_bias").abs().max().item<double>(), 0) << init;
    EXPECT_EQ(value(init, "up_bias").abs().max().item<double>(), 0) << init;
  }
}

TEST(Adapter, WeightsAloneDecay) {
  for (const auto& slot : plan(support::tiny_spec(), {}).trained()) {
    EXPECT_EQ(slot->weight_decay_scale, slot->name.ends_with(".down") || slot->name.ends_with(".up") ? 1 : 0)
        << slot->name;
  }
}

}  // namespace
}  // namespace peftbench::adapter_test
