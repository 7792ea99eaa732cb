#include "backbone/catalogue.h"
#include "ledger/ledger.h"
#include "plugin/schema.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/ops/rand.h>
#include <gmock/gmock.h>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::ia3_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::logits;
using support::some_ids;
using support::tiny_backbone;
using ::testing::HasSubstr;

const Batch inputs{some_ids(9, 1), some_ids(4, 2)}, targets{{0, 5, 6}, {0, 9}};

CompiledPlan plan(const BackboneSpec& spec, const GivenValues& given) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  const auto method = registrar.factory()(parse_values("ia3", registrar.schema(), given));
  PlanBuilder builder(spec);
  method->plan(spec, builder);
  return CompiledPlan(builder.finish());
}

std::string refusal(const BackboneSpec& spec, const GivenValues& given) {
  try {
    plan(spec, given);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

// Factors between 0.5 and 1.5.
void randomise(const CompiledPlan& made) {
  for (const auto& slot : made.trained()) slot->value = at::rand(slot->shape) + 0.5;
}

Counts counts(const BackboneSpec& spec, const GivenValues& given) {
  CompiledPlan made = plan(spec, given);
  made.initialise_on_meta();
  return measure(spec, made).total;
}

// recipes §6 and hf-peft §3: (Le + 2 Ld) · 2 · H·d_kv + (Le + Ld) · d_ff, with nothing left after merging.
TEST(Ia3, CountsAreThoseOfThePublishedModels) {
  EXPECT_EQ(counts(support::tiny_spec(), {}).trained, (3 + 2 * 2) * 2 * 12 + (3 + 2) * 24);
  const std::map<std::string, int64_t> expected = {{"t5-small", 43008},      {"t5-base", 129024},
                                                   {"t5-large", 344064},     {"t5-v1_1-small", 34816},
                                                   {"t5-v1_1-base", 104448}, {"t5-v1_1-xl", 540672}};
  std::size_t seen = 0;
  for (const CatalogueEntry& entry : read_catalogue(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "configs" / "backbones")) {
    const auto known = expected.find(entry.name);
    if (known == expected.end()) continue;
    ++seen;
    for (const char* ffn : {"auto", "wo_input"}) {  // d_ff either way
      EXPECT_EQ(counts(entry.spec, {{"ffn", ffn}}).trained, known->second) << entry.name;
      EXPECT_EQ(counts(entry.spec, {{"ffn", ffn}}).after_merge, 0) << entry.name;
    }
  }
  EXPECT_EQ(seen, expected.size());
}

TEST(Ia3, ClaimsWhatEachKindOfFeedForwardHas) {
  const auto has = [](bool gated, const GivenValues& given, const char* site) {
    const auto sites = plan(support::tiny_spec({.gated = gated, .tied = !gated}), given).claimed_sites();
    return std::find(sites.begin(), sites.end(), site) != sites.end();
  };
  for (const bool gated : {true, false}) {
    for (const char* site : {"encoder.0.self.k", "decoder.1.self.v", "decoder.1.cross.k"}) {
      EXPECT_TRUE(has(gated, {}, site)) << site;
    }
    EXPECT_EQ(has(gated, {}, "encoder.2.ffn.wi_1"), gated);
    EXPECT_EQ(has(gated, {}, "encoder.2.ffn.wo"), !gated);
    EXPECT_TRUE(has(gated, {{"ffn", "wo_input"}}, "decoder.0.ffn.wo"));
    EXPECT_FALSE(has(gated, {{"ffn", "none"}}, "decoder.0.ffn.wo"));
  }
}

// The equation, as weights: diag(l) W on outputs, W diag(l) on the input of wo.
TEST(Ia3, ScalesActivations) {
  for (const bool gated : {true, false}) {
    for (const char* ffn : {"auto", "wo_input", "none"}) {
      const support::TinyOptions options{.gated = gated, .tied = !gated};
      const BackboneSpec spec = support::tiny_spec(options);
      const auto backbone = tiny_backbone(options);
      const CompiledPlan made = plan(spec, {{"ffn", ffn}, {"targets", "q,k,v,o"}});
      randomise(made);
      TensorMap changed = support::tiny_tensors(spec, options.seed);
      for (const auto& slot : made.trained()) {
        for (const LinearSite& site : spec.linears()) {
          if (site.name() != slot->owner) continue;
          Tensor& weight = changed[site.tensor_name()];
          for (int64_t i = 0; i < slot->value.numel(); ++i)
            weight.select(site.map == "wo" ? 1 : 0, i) *= slot->value[i];
        }
      }
      const Tensor ours = logits(*backbone, made, inputs, targets);
      EXPECT_LT(difference(ours, logits(*Backbone::from_tensors(spec, changed), {}, inputs, targets)), 1e-4) << ffn;
      EXPECT_GT(difference(ours, logits(*backbone, {}, inputs, targets)), 0.1) << ffn;
    }
  }
}

// l ⊙ (γ(W₀x) · W₁x) either way round in a gated layer; with ReLU the output of wi would be another method (l < 0).
TEST(Ia3, GatedLayersScaleTheSameByEitherName) {
  const auto backbone = tiny_backbone();
  const CompiledPlan authors = plan(backbone->spec(), {{"ffn", "wi_1_output"}});
  const CompiledPlan huggingface = plan(backbone->spec(), {{"ffn", "wo_input"}});
  randomise(authors);
  for (const auto& slot : huggingface.trained()) {
    std::string name = slot->name;
    if (name.ends_with("wo.scale")) name.replace(name.size() - 8, 2, "wi_1");
    slot->value = authors.stored().at(name);
  }
  EXPECT_LT(difference(logits(*backbone, authors, inputs, targets), logits(*backbone, huggingface, inputs, targets)),
            1e-4);
}

TEST(Ia3, ReluIsBeforeTheFactors) {
  const support::TinyOptions options{.gated = false, .tied = true};
  const auto backbone = tiny_backbone(options);
  const CompiledPlan after = plan(backbone->spec(), {{"targets", Names{}}});
  const CompiledPlan before = plan(backbone->spec(), {{"targets", "wi"}, {"ffn", "none"}});
  for (const CompiledPlan* made : {&after, &before}) {
    for (const auto& slot : made->trained()) slot->value = at::rand(slot->shape).fill_(-1);
  }
  EXPECT_GT(difference(logits(*backbone, after, inputs, targets), logits(*backbone, before, inputs, targets)), 0.1);
}

TEST(Ia3, BeginsWithOnes) {
  CompiledPlan made = plan(support::tiny_spec(), {});
  support::initialise(made);
  for (const auto& slot : made.trained()) {
    EXPECT_TRUE(slot->value.eq(1).all().item<bool>()) << slot->name;
  }
}

TEST(Ia3, WhatMakesNoSenseIsRefused) {
  const BackboneSpec gated = support::tiny_spec(), relu = support::tiny_spec({.gated = false, .tied = true});
  EXPECT_THAT(refusal(gated, {{"targets", "k,wi_1"}}), HasSubstr("targets has wi_1, which ffn=auto scales already"));
  EXPECT_THAT(refusal(relu, {{"targets", "k,wo"}}), HasSubstr("targets has wo"));
  EXPECT_THAT(refusal(relu, {{"ffn", "wi_1_output"}}), HasSubstr("not gated"));
  EXPECT_THAT(refusal(relu, {{"targets", Names{}}, {"ffn", "none"}}), HasSubstr("nothing is scaled"));
  EXPECT_EQ(refusal(gated, {{"targets", "wi_1,k"}, {"ffn", "none"}}), "accepted");
}

}  // namespace
}  // namespace peftbench::ia3_test
