#include "support/layers.h"
#include "targets.h"

#include "backbone/catalogue.h"
#include "ledger/ledger.h"
#include "plugin/schema.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/tiny_backbone.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>

#include <cmath>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::lora_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::logits;
using support::some_ids;
using support::tiny_backbone;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Batch inputs{some_ids(9, 1), some_ids(4, 2)}, targets{{0, 5, 6}, {0, 9}};

CompiledPlan plan(const BackboneSpec& spec, const GivenValues& given) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  const auto method = registrar.factory()(parse_values("lora", registrar.schema(), given));
  PlanBuilder builder(spec);
  method->plan(spec, builder);
  return CompiledPlan(builder.finish());
}

// Every factor random: as if trained.
CompiledPlan trained(const BackboneSpec& spec, const GivenValues& given, double size = 0.3) {
  CompiledPlan made = plan(spec, given);
  for (const auto& slot : made.trained()) slot->value = at::randn(slot->shape) * size;
  return made;
}

std::string refusal(const BackboneSpec& spec, const GivenValues& given) {
  try {
    plan(spec, given);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

std::map<std::string, int64_t> ranks(const BackboneSpec& spec, const GivenValues& given) {
  std::map<std::string, int64_t> result;
  for (const auto& slot : plan(spec, given).trained()) {
    if (slot->name.ends_with(".A")) result[slot->owner] = slot->shape[0];
  }
  return result;
}

int64_t trained_elements(const BackboneSpec& spec, const GivenValues& given) {
  CompiledPlan made = plan(spec, given);
  made.initialise_on_meta();
  return measure(spec, made).total.trained;
}

TEST(Lora, ClaimsQueriesAndValuesOfEveryAttention) {
  const BackboneSpec spec = support::tiny_spec();  // 3 encoder and 2 decoder layers
  const auto sites = plan(spec, {}).claimed_sites();
  EXPECT_EQ(sites.size(), 2u * (3 + 2 * 2));
  for (const char* site : {"encoder.2.self.q", "decoder.0.self.v", "decoder.1.cross.q"}) {
    EXPECT_THAT(sites, ::testing::Contains(site));
  }
  EXPECT_EQ(plan(spec, {{"targets", "all-linear"}}).claimed_sites().size(), spec.linears(spec.linear_names()).size());
  EXPECT_EQ(ranks(spec, {{"targets", "lm_head"}}), (std::map<std::string, int64_t>{{"lm_head", 8}}));
}

// recipes §6 and hf-peft §3: (Le + 2 Ld) · 2 · r · (d + H·d_kv), with nothing left after merging.
TEST(Lora, CountsAreThoseOfThePublishedModels) {
  const BackboneSpec tiny = support::tiny_spec();
  EXPECT_EQ(trained_elements(tiny, {{"rank", "3"}}), (3 + 2 * 2) * 2 * 3 * (20 + 12));
  const std::map<std::string, int64_t> expected = {{"t5-small", 294912},
                                                   {"t5-base", 884736},
                                                   {"t5-large", 2359296},
                                                   {"t5-v1_1-small", 344064},
                                                   {"t5-v1_1-base", 884736}};
  std::size_t seen = 0;
  for (const CatalogueEntry& entry : read_catalogue(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "configs" / "backbones")) {
    const auto known = expected.find(entry.name);
    if (known == expected.end()) continue;
    ++seen;
    CompiledPlan made = plan(entry.spec, {});
    made.initialise_on_meta();
    const Counts counts = measure(entry.spec, made).total;
    EXPECT_EQ(counts.trained, known->second) << entry.name;
    EXPECT_EQ(counts.stored, known->second) << entry.name;
    EXPECT_EQ(counts.after_merge, 0) << entry.name;
  }
  EXPECT_EQ(seen, expected.size());
}

// y = W x + s · B A x with both products written out, which is what a backbone of weights W + s·BA gives.
TEST(Lora, AddsAScaledProductOfLowRank) {
  struct Case {
    GivenValues values;
    double scale;
  };
  const Case cases[] = {
      {{{"rank", "4"}, {"alpha", "6"}, {"targets", "all-linear,lm_head"}}, 6.0 / 4},
      {{{"rank", "4"}, {"alpha", "6"}, {"targets", "q,wo"}, {"rslora", "true"}}, 6.0 / 2},
  };
  const BackboneSpec spec = support::tiny_spec();
  const auto backbone = tiny_backbone();
  for (const Case& one : cases) {
    const CompiledPlan made = trained(spec, one.values, 0.1);
    const TensorMap factors = made.stored();
    TensorMap changed = support::tiny_tensors(spec, 1);
    int64_t maps = 0;
    for (const LinearSite& site : spec.linears()) {
      if (!factors.contains(site.name() + ".A")) continue;
      ++maps;
      const Tensor product = matmul(factors.at(site.name() + ".B"), factors.at(site.name() + ".A"));
      changed[site.tensor_name()] = changed.at(site.tensor_name()) + one.scale * product;
    }
    EXPECT_EQ(2 * maps, static_cast<int64_t>(factors.size()));
    const Tensor ours = logits(*backbone, made, inputs, targets);
    EXPECT_LT(difference(ours, logits(*Backbone::from_tensors(spec, changed), {}, inputs, targets)), 1e-4);
    EXPECT_GT(difference(ours, logits(*backbone, {}, inputs, targets)), 0.1);
  }
}

TEST(Lora, TheFirstAIsUniformOrGaussianAndTheFirstBZero) {
  BackboneSpec spec = support::tiny_spec();
  spec.d_model = 400;
  CompiledPlan uniform = plan(spec, {{"rank", "50"}}), gaussian = plan(spec, {{"rank", "50"}, {"init", "gaussian"}});
  support::initialise(uniform);
  support::initialise(gaussian);
  for (const auto& [name, value] : uniform.stored()) {
    if (name.ends_with(".B")) {
      EXPECT_EQ(value.abs().max().item<float>(), 0) << name;
      continue;
    }
    EXPECT_LE(value.abs().max().item<float>(), 0.05f) << name;  // 1/√400: Kaiming's with a = √5
    EXPECT_NEAR(value.std().item<float>(), 0.05 / std::sqrt(3.0), 1e-3) << name;
    EXPECT_NEAR(gaussian.stored().at(name).std().item<float>(), 1.0 / 50, 1e-3) << name;
  }
}

// On the low-rank branch alone: with B = 0 dropout changes nothing, and outside training it is not there.
TEST(Lora, DropoutIsOnTheLowRankBranch) {
  const auto backbone = tiny_backbone();
  const auto pass = [&](const CompiledPlan& made, const RunContext& context) {
    return backbone->encode(PackedTokens::of(inputs), made, context).hidden.detach();
  };
  const RunContext training = RunContext::for_training(0, DropoutShape::elementwise, 3);
  CompiledPlan first = plan(backbone->spec(), {{"dropout", "0.5"}});
  support::initialise(first);
  EXPECT_LT(difference(pass(first, training), pass({}, training)), 1e-6);
  CompiledPlan made = trained(backbone->spec(), {{"dropout", "0.5"}});
  EXPECT_GT(difference(pass(made, training), pass(made, RunContext::inference())), 1e-2);
  CompiledPlan without = plan(backbone->spec(), {});
  without.load_stored(made.stored());
  EXPECT_TRUE(at::equal(pass(without, RunContext::inference()), pass(made, RunContext::inference())));
}

// The first pattern that fits, as the whole name or what follows a dot in it, by our names or Hugging Face's.
TEST(Lora, PatternsGiveMapsRanksAndScalesOfTheirOwn) {
  const BackboneSpec spec = support::tiny_spec();
  const GivenValues given{{"rank", "8"},
                          {"rank_pattern", "encoder.1.self.q=2,decoder.*v=3,EncDecAttention.q=5,q=4"},
                          {"alpha_pattern", "v=1.5"}};
  const auto by_site = ranks(spec, given);
  EXPECT_EQ(by_site.at("encoder.1.self.q"), 2);
  EXPECT_EQ(by_site.at("encoder.2.self.q"), 4);
  EXPECT_EQ(by_site.at("decoder.1.self.v"), 3);
  EXPECT_EQ(by_site.at("decoder.1.cross.v"), 3);
  EXPECT_EQ(by_site.at("decoder.0.cross.q"), 5);
  EXPECT_EQ(by_site.at("encoder.0.self.v"), 8);
  EXPECT_EQ(ranks(spec, {{"targets", "decoder.*self.(q|k)"}}).size(), 4u);
  EXPECT_EQ(ranks(spec, {{"targets", "encoder.block.0.layer.0.SelfAttention.q,wi_1"}}).size(), 6u);
  EXPECT_TRUE(lora::EndPattern("q").fits("encoder.block.0.layer.0.SelfAttention.q"));
  EXPECT_FALSE(lora::EndPattern("ention.q").fits("encoder.block.0.layer.0.SelfAttention.q"));
  EXPECT_FALSE(lora::EndPattern("encoder").fits("encoder.block.0.layer.0.SelfAttention.q"));

  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  GivenValues scaled = given;
  scaled["rslora"] = "true";
  for (const auto& values : {given, scaled}) {
    for (const lora::Target& target : lora::targets(parse_values("lora", registrar.schema(), values), spec)) {
      const double alpha = target.site.map == "v" ? 1.5 : 16, rank = static_cast<double>(target.rank);
      EXPECT_DOUBLE_EQ(target.scale, alpha / (values.contains("rslora") ? std::sqrt(rank) : rank));
    }
  }
}

TEST(Lora, WhatMakesNoSenseIsRefused) {
  const BackboneSpec gated = support::tiny_spec();
  EXPECT_THAT(refusal(gated, {{"targets", "wi"}}), HasSubstr("wi_0, wi_1, wo"));
  EXPECT_THAT(refusal(gated, {{"targets", "embedding"}}), HasSubstr("matches no linear map"));
  EXPECT_THAT(refusal(gated, {{"targets", Names{}}}), HasSubstr("targets is empty"));
  EXPECT_THAT(refusal(gated, {{"targets", "q("}}), HasSubstr("invalid regular expression"));
  EXPECT_THAT(refusal(gated, {{"rank_pattern", "k=2"}}), HasSubstr("matches no linear map in targets"));
  for (const char* rank : {"q=0", "q=2.5", "q=1e9"}) {
    EXPECT_THAT(refusal(gated, {{"rank_pattern", rank}}), HasSubstr("at least 1")) << rank;
  }
  for (const char* entry : {"q", "q=", "=2", "q=two", "q=2x"}) {
    EXPECT_THAT(refusal(gated, {{"alpha_pattern", entry}}), HasSubstr("pattern=number")) << entry;
  }
  EXPECT_THROW(plan(gated, {{"rank", "0"}}), ConfigError);
}

// One table cannot be both: a tied head's update stays beside it, where its own weight takes it.
TEST(Lora, ATiedHeadIsNotMerged) {
  for (const bool tied : {true, false}) {
    const BackboneSpec spec = support::tiny_spec({.gated = !tied, .tied = tied});
    CompiledPlan made = plan(spec, {{"targets", "q,lm_head"}});
    made.initialise_on_meta();
    EXPECT_EQ(measure(spec, made).total.after_merge, tied ? 8 * (20 + 40) : 0);
  }
}

// Adapters are plans: several in memory over one backbone, switched by passing another, stacked in one batch.
TEST(Lora, AdaptersAreSwitchedAndShareABatch) {
  const auto backbone = tiny_backbone();
  const CompiledPlan first = trained(backbone->spec(), {{"rank", "2"}});
  const CompiledPlan second = trained(backbone->spec(), {{"rank", "5"}, {"targets", "v,wo,lm_head"}});
  // As a program that serves would: fresh plans with stored tensors.
  CompiledPlan one = plan(backbone->spec(), {{"rank", "2"}});
  CompiledPlan two = plan(backbone->spec(), {{"rank", "5"}, {"targets", "v,wo,lm_head"}});
  one.load_stored(first.stored());
  two.load_stored(second.stored());
  const Tensor alone_one = logits(*backbone, one, {inputs[0]}, {targets[0]});
  const Tensor alone_two = logits(*backbone, two, {inputs[1]}, {targets[1]});
  EXPECT_TRUE(at::equal(alone_one, logits(*backbone, first, {inputs[0]}, {targets[0]})));
  const Tensor stacked = logits(*backbone, CompiledPlan::stack({one, two}), inputs, targets, {0, 1});
  // Relative to the largest logit: products over other numbers of rows round otherwise.
  EXPECT_LT(difference(stacked, cat({alone_one, alone_two})), 1e-5 * std::max(1.0, stacked.abs().max().item<double>()));
  const Tensor crossed = logits(*backbone, CompiledPlan::stack({two, one}), inputs, targets, {0, 1});
  EXPECT_GT(difference(stacked, crossed), 1e-2);
}

// QLoRA: the same plan on quantised weights; what is trained and what it adds stay in fp32.
TEST(Lora, WorksOnAQuantisedBackbone) {
  const BackboneSpec spec = support::tiny_spec();
  for (const Quantization kind : {Quantization::nf4, Quantization::int8}) {
    LoadOptions options;
    options.quantization = kind;
    const auto quantised = Backbone::from_tensors(spec, support::tiny_tensors(spec, 1), options);
    TensorMap opened;
    for (const ParameterSite& site : spec.parameters()) opened[site.tensor] = quantised->frozen(site.index);
    const auto full = Backbone::from_tensors(spec, opened);
    CompiledPlan made = trained(spec, {{"targets", "all-linear"}}, 0.1);
    EXPECT_LT(difference(logits(*quantised, made, inputs, targets), logits(*full, made, inputs, targets)), 1e-4);
    for (const auto& slot : made.trained()) slot->value.set_requires_grad(true);
    const RunContext context = RunContext::for_training(0, DropoutShape::elementwise, 1);
    quantised->encode(PackedTokens::of(inputs), made, context).hidden.square().sum().backward();
    for (const auto& slot : made.trained()) {
      if (!slot->name.starts_with("encoder.")) continue;
      EXPECT_GT(slot->value.grad().abs().max().item<float>(), 0) << slot->name;
    }
  }
}

}  // namespace
}  // namespace peftbench::lora_test
