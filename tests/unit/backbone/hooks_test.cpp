// Every kind of site, each claimed by a hook whose effect can be had in another way: by other tokens, other frozen
// weights or other encoder states. Agreement of the two is the test.
#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace peftbench::hooks_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::logits;
using support::plan_with;
using support::some_ids;
using support::tiny_backbone;

constexpr double close = 1e-4;  // logits here reach 10 and weights are not small

const Batch inputs{some_ids(9, 1), some_ids(4, 2), some_ids(6, 3)};
const Batch targets{{0, 5, 6}, {0, 9}, {0, 3, 8, 11}};

struct Prepend final : InputHook {
  explicit Prepend(Tensor rows) : rows_(std::move(rows)) {}
  Embedded apply(const InputCall& call) const override { return prepend(call.input(), rows_); }
  Tensor rows_;
};

TEST(InputSite, PrependedEmbeddingsEqualPrependedTokens) {
  const auto backbone = tiny_backbone();
  const std::vector<int64_t> prompt{7, 3, 12, 30};
  const CompiledPlan plan = plan_with(*backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.claim<Prepend>(spec.encoder_input(), backbone->embedding_rows(prompt));
  });
  Batch longer = inputs;
  for (auto& ids : longer) ids.insert(ids.begin(), prompt.begin(), prompt.end());
  EXPECT_LT(difference(logits(*backbone, plan, inputs, targets), logits(*backbone, {}, longer, targets)), close);
}

TEST(InputSite, DecoderPromptEqualsDecoderTokens) {
  const auto backbone = tiny_backbone();
  const CompiledPlan plan = plan_with(*backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.claim<Prepend>(spec.decoder_input(), backbone->embedding_rows({7, 3}));
  });
  Batch longer = targets;
  for (auto& ids : longer) ids.insert(ids.begin(), {7, 3});
  EXPECT_LT(difference(logits(*backbone, plan, inputs, targets), logits(*backbone, {}, inputs, longer)), close);
}

struct FixedPrefix final : KvHook {
  FixedPrefix(Tensor keys, Tensor values, PrefixBias bias) : prefix_{std::move(keys), std::move(values), bias} {}
  KvPrefix prefix(const CallContext&) const override { return prefix_; }
  KvPrefix prefix_;
};

TEST(KvSite, CrossPrefixEqualsLongerEncoderStates) {
  const auto backbone = tiny_backbone();
  const BackboneSpec& spec = backbone->spec();
  const Tensor extra = at::randn({5, spec.d_model});
  const auto project = [&](const KvSite& site, const char* map) {
    const std::string name =
        "decoder.block." + std::to_string(site.layer) + ".layer.1.EncDecAttention." + map + ".weight";
    return at::linear(extra, backbone->frozen(spec.parameter(name).index))
        .view({5, spec.num_heads, spec.d_kv})
        .transpose(0, 1);
  };
  const CompiledPlan plan = plan_with(*backbone, [&](const BackboneSpec&, PlanBuilder& builder) {
    for (const KvSite& site : spec.key_values(Stack::decoder, Sublayer::cross)) {
      builder.claim<FixedPrefix>(site, project(site, "k"), project(site, "v"), PrefixBias::before_sequence);
    }
  });
  const RunContext context = RunContext::inference();
  EncoderState encoder = backbone->encode(PackedTokens::of(inputs), {}, context);
  const Embedded extended = prepend({encoder.hidden, encoder.layout}, extra);
  const auto decode = [&](const EncoderState& state, const CompiledPlan& with) {
    return backbone->head(backbone->decode(state, PackedTokens::of(targets), with, context), with, context);
  };
  EXPECT_LT(difference(decode(encoder, plan), decode({extended.embeddings, extended.layout}, {})), close);
}

// A prefix that repeats the keys and values which tokens before the sequence would have: one layer, so that these
// follow from the embeddings alone. The relative bias must then be that of the longer sequence.
void expect_self_prefix_equals_tokens(Stack stack) {
  support::TinyOptions options;
  BackboneSpec spec = support::tiny_spec(options);
  spec.encoder_layers = spec.decoder_layers = 1;
  const auto backbone = Backbone::from_tensors(spec, support::tiny_tensors(spec, 3));
  const std::vector<int64_t> before{7, 3, 12};
  const std::string attention = std::string(name_of(stack)) + ".block.0.layer.0.";
  const Tensor rows = backbone->embedding_rows(before);
  const Tensor normed = rows * (rows.square().mean(-1, true) + 1e-6).rsqrt() *
                        backbone->frozen(spec.parameter(attention + "layer_norm.weight").index);
  const auto project = [&](const char* map) {
    const Tensor weight = backbone->frozen(spec.parameter(attention + "SelfAttention." + map + ".weight").index);
    return at::linear(normed, weight).view({3, spec.num_heads, spec.d_kv}).transpose(0, 1);
  };
  const CompiledPlan plan = plan_with(*backbone, [&](const BackboneSpec&, PlanBuilder& builder) {
    builder.claim<FixedPrefix>(spec.key_values(stack, Sublayer::self).front(), project("k"), project("v"),
                               PrefixBias::before_sequence);
  });
  const RunContext context = RunContext::inference();
  Batch longer = stack == Stack::encoder ? inputs : targets;
  for (auto& ids : longer) ids.insert(ids.begin(), before.begin(), before.end());
  const auto run = [&](const Batch& sequences, const CompiledPlan& with) {
    if (stack == Stack::encoder) {
      const EncoderState state = backbone->encode(PackedTokens::of(sequences), with, context);
      return state.hidden.index_select(0, state.layout.last_rows());
    }
    const EncoderState encoder = backbone->encode(PackedTokens::of(inputs), {}, context);
    const DecoderState state = backbone->decode(encoder, PackedTokens::of(sequences), with, context);
    return state.hidden.index_select(0, state.layout.last_rows());
  };
  EXPECT_LT(difference(run(stack == Stack::encoder ? inputs : targets, plan), run(longer, {})), close);
}

TEST(KvSite, EncoderSelfPrefixEqualsTokensBefore) { expect_self_prefix_equals_tokens(Stack::encoder); }
TEST(KvSite, DecoderSelfPrefixEqualsTokensBefore) { expect_self_prefix_equals_tokens(Stack::decoder); }

TEST(KvSite, RefusesAPrefixOfAnotherShape) {
  const auto backbone = tiny_backbone();
  const CompiledPlan plan = plan_with(*backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.claim<FixedPrefix>(spec.key_values().front(), at::randn({2, 5, 4}), at::randn({2, 5, 4}), PrefixBias::none);
  });
  EXPECT_THROW(logits(*backbone, plan, inputs, targets), ConfigError);
}

struct AddDelta final : LinearHook {
  explicit AddDelta(Tensor delta) : delta_(std::move(delta)) {}
  Tensor apply(const LinearCall& call) const override {
    const bool ids = call.x().scalar_type() == at::kLong;
    return call.base() + (ids ? delta_.index_select(0, call.x()) : at::linear(call.x(), delta_));
  }
  Tensor delta_;
};

// A linear hook that adds x Δᵀ equals the backbone whose weight is W + Δ, at every linear map.
void expect_linear_hooks_equal_other_weights(bool gated, bool tied) {
  const support::TinyOptions options{.gated = gated, .tied = tied};
  const auto backbone = tiny_backbone(options);
  const BackboneSpec spec = backbone->spec();
  for (const LinearSite& site : spec.linears()) {
    const bool shared = tied && (site.map == "lm_head" || site.map == "embedding");
    if (shared) continue;  // W + Δ would change both
    const bool table = site.map == "embedding";
    const Tensor delta = at::randn(table ? Shape{site.in, site.out} : Shape{site.out, site.in}) * 0.3;
    const CompiledPlan plan =
        plan_with(*backbone, [&](const BackboneSpec&, PlanBuilder& builder) { builder.claim<AddDelta>(site, delta); });
    TensorMap tensors = support::tiny_tensors(spec, options.seed);
    tensors[site.tensor_name()] = tensors[site.tensor_name()] + delta;
    const Tensor expected = logits(*Backbone::from_tensors(spec, tensors), {}, inputs, targets);
    EXPECT_LT(difference(logits(*backbone, plan, inputs, targets), expected), close) << site.name();
    EXPECT_GT(difference(logits(*backbone, {}, inputs, targets), expected), 1e-3) << site.name() << " has no effect";
  }
}

TEST(LinearSite, HookEqualsOtherWeightsInV11) { expect_linear_hooks_equal_other_weights(true, false); }
TEST(LinearSite, HookEqualsOtherWeightsInV10) { expect_linear_hooks_equal_other_weights(false, true); }

struct ScaleOutput final : SublayerHook {
  Tensor apply(const SublayerCall& call) const override { return call.output * 0.5; }
};

TEST(SublayerSite, ScaledOutputEqualsScaledProjection) {
  const auto backbone = tiny_backbone();
  const BackboneSpec spec = backbone->spec();
  for (const SublayerSite& site : spec.sublayers()) {
    const CompiledPlan plan =
        plan_with(*backbone, [&](const BackboneSpec&, PlanBuilder& builder) { builder.claim<ScaleOutput>(site); });
    TensorMap tensors = support::tiny_tensors(spec, 1);
    for (const LinearSite& linear : spec.linears(std::vector<std::string>{"o", "wo"})) {
      if (linear.stack == site.stack && linear.layer == site.layer && linear.sublayer == site.sublayer) {
        tensors[linear.tensor_name()] = tensors[linear.tensor_name()] * 0.5;
      }
    }
    const Tensor expected = logits(*Backbone::from_tensors(spec, tensors), {}, inputs, targets);
    EXPECT_LT(difference(logits(*backbone, plan, inputs, targets), expected), close) << site.name();
  }
}

struct RecordHidden final : BlockHook {
  explicit RecordHidden(std::shared_ptr<Tensor> seen) : seen_(std::move(seen)) {}
  Tensor apply(const BlockCall& call) const override { return *seen_ = call.hidden, call.hidden; }
  std::shared_ptr<Tensor> seen_;
};
struct ReplaceHidden final : BlockHook {
  explicit ReplaceHidden(Tensor hidden) : hidden_(std::move(hidden)) {}
  Tensor apply(const BlockCall&) const override { return hidden_; }
  Tensor hidden_;
};

// What enters a block decides all that follows: replacing it with what another input gave there gives that input's
// result, whatever the tokens are.
TEST(BlockSite, ReplacedHiddenStatesDecideTheRest) {
  const auto backbone = tiny_backbone();
  const BackboneSpec& spec = backbone->spec();
  Batch others;
  for (const auto& ids : inputs) others.push_back(some_ids(static_cast<int64_t>(ids.size()), 17));
  for (const BlockSite& site : spec.blocks(Stack::encoder)) {
    const auto seen = std::make_shared<Tensor>();
    const CompiledPlan record = plan_with(
        *backbone, [&](const BackboneSpec&, PlanBuilder& builder) { builder.claim<RecordHidden>(site, seen); });
    const Tensor expected = logits(*backbone, record, others, targets);
    const CompiledPlan replace = plan_with(
        *backbone, [&](const BackboneSpec&, PlanBuilder& builder) { builder.claim<ReplaceHidden>(site, *seen); });
    EXPECT_LT(difference(logits(*backbone, replace, inputs, targets), expected), close) << site.name();
    EXPECT_GT(difference(logits(*backbone, {}, inputs, targets), expected), 1e-2);
  }
}

TEST(BlockSite, DecoderBlocksAreReachedToo) {
  const auto backbone = tiny_backbone();
  for (const BlockSite& site : backbone->spec().blocks(Stack::decoder)) {
    const auto seen = std::make_shared<Tensor>();
    const CompiledPlan plan = plan_with(
        *backbone, [&](const BackboneSpec&, PlanBuilder& builder) { builder.claim<RecordHidden>(site, seen); });
    EXPECT_LT(difference(logits(*backbone, plan, inputs, targets), logits(*backbone, {}, inputs, targets)), 1e-9);
    ASSERT_TRUE(seen->defined()) << site.name();
    EXPECT_EQ(seen->size(0), 9) << site.name();
  }
}

// A stand-in for any frozen tensor equals the backbone that has it.
TEST(ParameterSite, StandInEqualsOtherWeights) {
  const auto backbone = tiny_backbone();
  const BackboneSpec spec = backbone->spec();
  for (const ParameterSite& site : spec.parameters()) {
    CompiledPlan plan = plan_with(*backbone, [&](const BackboneSpec&, PlanBuilder& builder) { builder.train(site); });
    support::initialise(plan, [&](std::string_view name) { return backbone->frozen(spec.parameter(name).index); });
    EXPECT_LT(difference(logits(*backbone, plan, inputs, targets), logits(*backbone, {}, inputs, targets)), 1e-9)
        << site.name();
    const Tensor delta = at::randn(site.shape) * 0.3;
    {
      at::NoGradGuard no_grad;
      plan.trained().front()->value.add_(delta);
    }
    TensorMap tensors = support::tiny_tensors(spec, 1);
    tensors[site.tensor] = tensors[site.tensor] + delta;
    const Tensor expected = logits(*Backbone::from_tensors(spec, tensors), {}, inputs, targets);
    EXPECT_LT(difference(logits(*backbone, plan, inputs, targets), expected), close) << site.name();
  }
}

struct SquareLogits final : HeadHook {
  Tensor apply(const HeadCall& call) const override { return call.logits().square(); }
};
struct FirstStateScores final : HeadHook {
  explicit FirstStateScores(Tensor classes) : classes_(std::move(classes)) {}
  Tensor apply(const HeadCall& call) const override {
    return at::linear(call.hidden.index_select(0, call.layout.first_rows()), classes_);
  }
  bool scores_classes() const override { return true; }
  Tensor classes_;
};

TEST(HeadSite, SeesLogitsAndStates) {
  const auto backbone = tiny_backbone();
  const CompiledPlan square = plan_with(
      *backbone, [](const BackboneSpec& spec, PlanBuilder& builder) { builder.claim<SquareLogits>(spec.head()); });
  EXPECT_LT(difference(logits(*backbone, square, inputs, targets), logits(*backbone, {}, inputs, targets).square()),
            close);

  // Scores against rows of the untied head are that head's logits at the first position.
  const Tensor head = backbone->frozen(backbone->spec().parameter("lm_head.weight").index);
  const CompiledPlan classes = plan_with(*backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.claim<FirstStateScores>(spec.head(), head.narrow(0, 4, 3));
  });
  const Tensor all = logits(*backbone, {}, inputs, targets);
  const Tensor first = all.index_select(0, TokenLayout::of({3, 2, 4}).first_rows()).narrow(1, 4, 3);
  EXPECT_LT(difference(logits(*backbone, classes, inputs, targets), first), close);
}

struct WrongRows final : LinearHook {
  Tensor apply(const LinearCall& call) const override { return call.base().narrow(0, 0, 1); }
};

TEST(Hooks, AWrongShapeIsNamedWithItsMethod) {
  const auto backbone = tiny_backbone();
  const CompiledPlan plan = plan_with(*backbone, [](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.set_claimant("careless");
    builder.claim<WrongRows>(spec.linears({"q"}).front());
  });
  try {
    logits(*backbone, plan, inputs, targets);
    FAIL() << "ran";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("careless"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace peftbench::hooks_test
