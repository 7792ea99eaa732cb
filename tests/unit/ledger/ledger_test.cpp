#include "ledger/ledger.h"
#include "support/layers.h"

#include "support/init_context.h"

#include <peftbench/error.h>
#include <peftbench/plan.h>

#include <gtest/gtest.h>

#include <functional>

namespace peftbench::ledger_test {

using namespace layers;

namespace {

// Sizes of v1.1-XXL and a small v1.0, as recipes give them.
BackboneSpec xxl() {
  BackboneSpec spec;
  spec.name = "xxl";
  spec.vocab_size = 32128;
  spec.d_model = 4096;
  spec.d_kv = 64;
  spec.num_heads = 64;
  spec.d_ff = 10240;
  spec.encoder_layers = spec.decoder_layers = 24;
  spec.gated = true;
  spec.activation = Activation::gelu_tanh;
  return spec;
}
BackboneSpec small() {
  BackboneSpec spec;
  spec.name = "small";
  spec.vocab_size = 100;
  spec.d_model = 8;
  spec.d_kv = 3;
  spec.num_heads = 2;
  spec.d_ff = 16;
  spec.encoder_layers = 4;
  spec.decoder_layers = 2;
  spec.tied = spec.scale_logits = true;
  return spec;
}

CompiledPlan plan_of(const BackboneSpec& spec, const std::function<void(PlanBuilder&)>& claim) {
  PlanBuilder builder(spec);
  builder.set_claimant("a method");
  claim(builder);
  return CompiledPlan(builder.finish());
}

struct Prompt final : InputHook {
  explicit Prompt(Parameter prompt) : prompt(std::move(prompt)) {}
  Embedded apply(const InputCall& call) const override { return prepend(call.input(), prompt()); }
  Parameter prompt;
};
struct LowRank final : LinearHook {
  LowRank(Parameter a, Parameter b, bool merges) : a(std::move(a)), b(std::move(b)), merges(merges) {}
  Tensor apply(const LinearCall& call) const override { return call.base() + linear(linear(call.x(), a()), b()); }
  std::optional<Tensor> merged(const Tensor& w) const override {
    if (!merges) return std::nullopt;
    return w + matmul(b(), a());
  }
  Parameter a, b;
  bool merges;
};
struct Prefix final : KvHook {
  explicit Prefix(Parameter values) : values(std::move(values)) {}
  KvPrefix prefix(const CallContext&) const override { return {values(), values()}; }
  Parameter values;
};

void claim_prompt(const BackboneSpec& spec, PlanBuilder& builder, int64_t length) {
  builder.claim<Prompt>(spec.encoder_input(),
                        builder.parameter(spec.encoder_input(), "prompt", {length, spec.d_model}, init::zeros()));
}
void claim_low_rank(PlanBuilder& builder, const LinearSite& site, int64_t rank, bool merges = true) {
  const auto a = builder.parameter(site, "a", {rank, site.in}, init::zeros());
  const auto b = builder.parameter(site, "b", {site.out, rank}, init::zeros());
  builder.claim<LowRank>(site, a, b, merges);
}

TEST(Ledger, OfAPromptForElevenBillionParametersNeedsNoWeights) {
  const BackboneSpec spec = xxl();
  auto plan = plan_of(spec, [&](PlanBuilder& builder) { claim_prompt(spec, builder, 100); });
  plan.initialise_on_meta();
  const Ledger ledger = measure(spec, plan);
  EXPECT_EQ(ledger.backbone_parameters, 11135332352);
  const auto json = to_json(ledger);
  for (const auto* key : {"trained", "stored", "inference", "after_merge"}) EXPECT_EQ(json.at(key), 409600) << key;
  EXPECT_TRUE(json.at("receiving_gradient").is_null());
  EXPECT_NEAR(ledger.percent, 0.00368, 5e-6);
  EXPECT_EQ(ledger.bytes_stored, 4 * 409600);
  EXPECT_EQ(ledger.added_encoder_length, 100);
  EXPECT_EQ(ledger.added_decoder_length, 0);
  ASSERT_EQ(json.at("rows").size(), 1u);
  EXPECT_EQ(json.at("rows")[0].at("site"), "encoder.input");
  EXPECT_TRUE(plan.trained().front()->value.is_meta());  // as it was
}

TEST(Ledger, MeasuresAPlanThatHasValues) {
  const BackboneSpec spec = small();
  auto plan = plan_of(spec, [&](PlanBuilder& builder) { claim_prompt(spec, builder, 5); });
  support::initialise(plan);
  const Tensor before = plan.trained().front()->value;
  Ledger ledger = measure(spec, plan);
  EXPECT_TRUE(plan.trained().front()->value.is_same(before));
  EXPECT_EQ(ledger.total.trained, 40);
  EXPECT_EQ(ledger.added_encoder_length, 5);
  ledger.set_receiving_gradient(plan, {{"encoder.input.prompt", 24}});
  EXPECT_EQ(ledger.total.receiving_gradient, 24);
  EXPECT_EQ(to_json(ledger).at("rows")[0].at("receiving_gradient"), 24);
}

TEST(Ledger, NothingIsLeftOfWhatMerges) {
  const BackboneSpec spec = small();
  auto plan = plan_of(spec, [&](PlanBuilder& builder) {
    const auto sites = spec.linears({"q"});
    claim_low_rank(builder, sites[0], 2);
    claim_low_rank(builder, sites[1], 2, false);
    claim_low_rank(builder, spec.lm_head(), 2);  // tied: merging would change the embeddings too
  });
  plan.initialise_on_meta();
  const Ledger ledger = measure(spec, plan);
  const std::int64_t of_q = 2 * (8 + 6), of_head = 2 * (8 + 100);
  EXPECT_EQ(ledger.total.trained, 2 * of_q + of_head);
  EXPECT_EQ(ledger.total.after_merge, of_q + of_head);
  EXPECT_EQ(ledger.rows[0].counts.after_merge, 0);
  EXPECT_EQ(ledger.rows[1].counts.after_merge, of_q);
}

TEST(Ledger, StandInsTakeThePlaceOfFrozenTensors) {
  const BackboneSpec spec = small();
  auto plan = plan_of(spec, [&](PlanBuilder& builder) {
    for (const auto& site : spec.parameters()) builder.train(site);
  });
  plan.initialise_on_meta();
  const Ledger ledger = measure(spec, plan);
  EXPECT_EQ(ledger.total.trained, spec.parameter_count());
  EXPECT_EQ(ledger.total.stored, spec.parameter_count());
  EXPECT_EQ(ledger.total.after_merge, 0);
  EXPECT_DOUBLE_EQ(ledger.percent, 100);
}

TEST(Ledger, DerivedValuesAreStoredInPlaceOfTheirSources) {
  const BackboneSpec spec = small();
  auto plan = plan_of(spec, [&](PlanBuilder& builder) {
    for (const auto& site : spec.key_values(Stack::decoder, Sublayer::self)) {
      const auto seed = builder.parameter(site, "seed", {50, 7}, init::zeros());
      const auto prefix = builder.derived(site, "prefix", {2, 4, 3}, {seed}, [] { return at::zeros({2, 4, 3}); });
      builder.buffer(site, "mask", {4}, init::ones());
      builder.claim<Prefix>(site, prefix);
    }
  });
  plan.initialise_on_meta();
  const Ledger ledger = measure(spec, plan);
  EXPECT_EQ(ledger.total.trained, 2 * 350);
  EXPECT_EQ(ledger.total.stored, 2 * (24 + 4));
  EXPECT_EQ(ledger.total.inference, 2 * (24 + 4));
  EXPECT_EQ(ledger.prefix_length, 4);
  EXPECT_EQ(ledger.decoder_prefix_columns, 8);
  EXPECT_EQ(ledger.encoder_prefix_columns, 0);
  EXPECT_EQ(ledger.added_encoder_length, 0);
  ASSERT_EQ(ledger.rows.size(), 6u);
  EXPECT_EQ(ledger.rows[1].role, "derived");
  EXPECT_EQ(ledger.rows[2].role, "buffer");
  EXPECT_EQ(ledger.rows[2].counts.trained, 0);
}

struct Surround final : LayoutHook {
  std::vector<Piece> arrange(const LayoutCall& call) const override {
    std::vector<Piece> pieces = {Piece::of_slots(3), Piece::of_text("It was ")};
    pieces.insert(pieces.end(), call.example.input.begin(), call.example.input.end());
    pieces.push_back(Piece::of_tokens({7, 8}));
    return pieces;
  }
};
struct Fill final : InputHook {
  explicit Fill(Parameter values) : values(std::move(values)) {}
  Embedded apply(const InputCall& call) const override {
    return {replace_slots(call.embeddings, call.layout, values()), call.layout};
  }
  Parameter values;
};

TEST(Ledger, WhatALayoutAddsIsFoundOnAnExample) {
  const BackboneSpec spec = small();
  auto plan = plan_of(spec, [&](PlanBuilder& builder) {
    builder.claim<Surround>(spec.layout());
    builder.claim<Fill>(spec.encoder_input(),
                        builder.parameter(spec.encoder_input(), "words", {3, spec.d_model}, init::zeros()));
  });
  plan.initialise_on_meta();
  EXPECT_FALSE(measure(spec, plan).added_encoder_length);
  EXPECT_FALSE(measure(spec, plan).prompt_tokens);
  LedgerExample example;
  example.example.input = {Piece::of_text("great")};
  example.tokens = [](const std::string& text) { return static_cast<std::int64_t>(text.size()); };
  const Ledger ledger = measure(spec, plan, &example);
  EXPECT_EQ(ledger.added_encoder_length, 3 + 7 + 2);
  EXPECT_EQ(ledger.layout_by_copy, (std::vector<std::int64_t>{3 + 7 + 2}));
  EXPECT_EQ(ledger.prompt_tokens, 7 + 2);
  EXPECT_EQ(to_json(ledger).at("prompt_tokens"), 9);
}

// Examples that a layout draws by the run's seed are those of the run.
TEST(Ledger, ALayoutSeesTheRunsSeed) {
  struct Repeat final : LayoutHook {
    std::vector<Piece> arrange(const LayoutCall& call) const override {
      return std::vector<Piece>(1 + call.seed, call.example.input.front());
    }
  };
  const BackboneSpec spec = small();
  auto plan = plan_of(spec, [&](PlanBuilder& builder) { builder.claim<Repeat>(spec.layout()); });
  plan.initialise_on_meta();
  LedgerExample example{{{Piece::of_text("great")}, "", -1}, {}, {}, 512, 3};
  example.tokens = [](const std::string& text) { return static_cast<std::int64_t>(text.size()); };
  EXPECT_EQ(measure(spec, plan, &example).prompt_tokens, 3 * 5);
}

TEST(Ledger, AHookThatReadsValuesIsNamed) {
  struct Reads final : LinearHook {
    explicit Reads(Parameter p) : p(std::move(p)) {}
    Tensor apply(const LinearCall& call) const override { return call.base(); }
    std::optional<Tensor> merged(const Tensor& w) const override { return w * p().sum().item<double>(); }
    Parameter p;
  };
  const BackboneSpec spec = small();
  auto plan = plan_of(spec, [&](PlanBuilder& builder) {
    const auto site = spec.linears({"v"}).front();
    builder.claim<Reads>(site, builder.parameter(site, "p", {2}, init::zeros()));
  });
  plan.initialise_on_meta();
  try {
    measure(spec, plan);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("encoder.0.self.v"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("a method"), std::string::npos);
  }
}

// d = 8, i = 6, two maps in the feed-forward: 4di + 2·d·ff = 448 and 6di + 2·d·ff = 544; one example of 10 and 3.
class Flops : public ::testing::Test {
 protected:
  FlopCounts count(const std::function<void(PlanBuilder&)>& claim, bool cached = false) {
    auto plan = plan_of(spec_, claim);
    plan.initialise_on_meta();
    return count_flops(spec_, plan, measure(spec_, plan), {{10}, {3}}, cached);
  }
  struct Parts {
    double el, ea, x, dl, da, hd;
    double forward() const { return el + ea + x + dl + da + hd; }
  };
  // For an encoder of n rows and a decoder of 3.
  static Parts parts(double n) {
    return {2 * n * 4 * 448, 4 * 6 * 4 * n * n,       4 * n * 2 * 48,
            2 * 3 * 2 * 544, 4 * 6 * 2 * (9 + 3 * n), 2 * 3 * 8 * 100};
  }
  BackboneSpec spec_ = small();
};

TEST_F(Flops, OfAPromptGoThroughTheWholeModelTwice) {
  const Parts p = parts(15);
  const auto counts = count([&](PlanBuilder& builder) { claim_prompt(spec_, builder, 5); });
  EXPECT_DOUBLE_EQ(counts.forward, p.forward());
  EXPECT_DOUBLE_EQ(counts.prediction, p.forward());
  EXPECT_DOUBLE_EQ(counts.training_step, p.forward() + p.el + 2.5 * p.ea + p.x + p.dl + 2.5 * p.da + p.hd);
}

TEST_F(Flops, OfADecoderMethodLeaveTheEncoderOut) {
  const Parts p = parts(10);
  const auto claim = [&](PlanBuilder& builder) {
    claim_low_rank(builder, spec_.linears({"q"})[4], 2);
  };  // decoder.0.self.q
  EXPECT_DOUBLE_EQ(count(claim).training_step, p.forward() + p.dl + 2.5 * p.da + p.hd);
  EXPECT_DOUBLE_EQ(count(claim, true).training_step, p.forward() - p.el - p.ea + p.dl + 2.5 * p.da + p.hd);
}

TEST_F(Flops, GoDownToTheLowestTouchedLayer) {
  const Parts p = parts(10);
  const auto claim = [&](PlanBuilder& builder) {
    claim_low_rank(builder, spec_.linears({"q"})[3], 2);
  };  // encoder.3.self.q
  EXPECT_DOUBLE_EQ(count(claim).training_step, p.forward() + (p.el + 2.5 * p.ea) / 4 + p.x + p.dl + 2.5 * p.da + p.hd);
}

TEST_F(Flops, OfFullTuningAddTheWeightsGradients) {
  const Parts p = parts(10);
  const auto counts = count([&](PlanBuilder& builder) {
    for (const auto& site : spec_.parameters()) builder.train(site);
  });
  EXPECT_DOUBLE_EQ(counts.training_step, p.forward() + 2 * (p.el + p.x + p.dl + p.hd) + 2.5 * (p.ea + p.da));
}

TEST_F(Flops, APrefixWidensAttention) {
  const Parts p = parts(10);
  const auto counts = count([&](PlanBuilder& builder) {
    for (const auto& site : spec_.key_values()) {
      builder.claim<Prefix>(site, builder.parameter(site, "prefix", {2, 7, 3}, init::zeros()));
    }
  });
  EXPECT_DOUBLE_EQ(counts.forward, p.forward() + 4 * 6 * (4 * 7 * 10 + 2 * 2 * 7 * 3));
}

TEST_F(Flops, AreThoseOfAForwardPassWhereNothingIsTrained) {
  const auto counts = count([](PlanBuilder&) {});
  EXPECT_DOUBLE_EQ(counts.forward, parts(10).forward());
  EXPECT_EQ(counts.training_step, 0);
}

}  // namespace
}  // namespace peftbench::ledger_test
