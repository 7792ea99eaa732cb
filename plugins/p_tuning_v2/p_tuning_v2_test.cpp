#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include "ledger/ledger.h"
#include "plugin/schema.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>
#include <peftbench/method.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/where.h>
#include <gmock/gmock.h>

extern "C" const peftbench::PluginHeader peftbench_plugin;

namespace peftbench::p_tuning_v2_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::Ids;
using support::logits;
using support::some_ids;
using support::tiny_backbone;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const TaskShape three_labels{{"bad", "good", "so so"}, {"text"}};

CompiledPlan plan(const BackboneSpec& spec, const GivenValues& given, const TaskShape& task = {}) {
  MethodRegistrar registrar;
  peftbench_plugin.register_method(registrar);
  EXPECT_THAT(schema_faults(registrar.schema()), IsEmpty());
  const auto method = registrar.factory()(parse_values("p_tuning_v2", registrar.schema(), given));
  PlanBuilder builder(spec, task);
  method->plan(spec, builder);
  return CompiledPlan(builder.finish());
}

CompiledPlan initialised(const BackboneSpec& spec, const GivenValues& given, const TaskShape& task = {}) {
  CompiledPlan made = plan(spec, given, task);
  support::initialise(made);
  return made;
}

Counts counts(const BackboneSpec& spec, const GivenValues& given, const TaskShape& task = {}) {
  CompiledPlan made = plan(spec, given, task);
  made.initialise_on_meta();
  return measure(spec, made).total;
}

// The first rows of what a frozen map gives, as the columns of a prompt have them.
struct Record final : LinearHook {
  Record(Tensor place, int64_t rows) : place_(std::move(place)), rows_(rows) {}
  Tensor apply(const LinearCall& call) const override {
    Tensor out = call.base();
    place_.copy_(out.narrow(0, 0, rows_));
    return out;
  }
  Tensor place_;
  int64_t rows_;
};

// A deep prompt that is the keys and values of tokens before the input, in every layer of the encoder: the encoder's
// states of the input are those that it has behind these tokens.
TEST(PTuningV2, ADeepPromptIsTheKeysAndValuesOfTokensBefore) {
  const auto backbone = tiny_backbone();
  const BackboneSpec& spec = backbone->spec();
  const Ids p = some_ids(4, 5), x = some_ids(7, 1);
  Ids joined = p;
  joined.insert(joined.end(), x.begin(), x.end());
  const CompiledPlan made = initialised(spec, {{"length", "4"}});
  const TensorMap stored = made.stored();
  ASSERT_EQ(stored.size(), 1u);  // the encoder's alone
  const CompiledPlan record = support::plan_with(*backbone, [&](const BackboneSpec&, PlanBuilder& builder) {
    for (const LinearSite& site : spec.linears({"k", "v"})) {
      if (site.stack != Stack::encoder) continue;
      const int64_t slot = 2 * site.layer + (site.map == "v" ? 1 : 0);
      builder.claim<Record>(site, stored.at("encoder.self.prompt").narrow(1, slot * spec.inner(), spec.inner()), 4);
    }
  });
  const RunContext context = RunContext::inference();
  const Tensor expected = backbone->encode(PackedTokens::of({joined}), record, context).hidden.narrow(0, 4, 7);
  EXPECT_LT(difference(backbone->encode(PackedTokens::of({x}), made, context).hidden, expected), 2e-5);
  EXPECT_GT(difference(backbone->encode(PackedTokens::of({x}), {}, context).hidden, expected), 1e-2);
}

TEST(PTuningV2, EachAttentionIsSwitchable) {
  const BackboneSpec spec = support::tiny_spec();
  EXPECT_THAT(plan(spec, {}).claimed_sites(),
              UnorderedElementsAre("encoder.0.self.kv", "encoder.1.self.kv", "encoder.2.self.kv"));
  EXPECT_THAT(plan(spec, {{"attentions", "cross"}}).claimed_sites(),
              UnorderedElementsAre("decoder.0.cross.kv", "decoder.1.cross.kv"));
  EXPECT_EQ(plan(spec, {{"attentions", "encoder,decoder,cross"}}).claimed_sites().size(), 7u);
  EXPECT_THROW(plan(spec, {{"attentions", ""}}), ConfigError);
}

TEST(PTuningV2, CountsAreTheFormulas) {
  const BackboneSpec spec = support::tiny_spec();  // 3 + 2 layers, D 20, inner 12
  const Counts encoder = counts(spec, {{"length", "5"}});
  EXPECT_EQ(encoder.trained, 2 * 5 * 3 * 12);
  EXPECT_EQ(encoder.stored, encoder.trained);
  EXPECT_EQ(encoder.inference, encoder.trained);
  EXPECT_EQ(counts(spec, {{"length", "5"}, {"attentions", "decoder,cross"}}).trained, 2 * 5 * 2 * 2 * 12);
  const Counts head = counts(spec, {{"length", "5"}, {"head", "classification"}}, three_labels);
  EXPECT_EQ(head.trained, encoder.trained + 3 * 20 + 3);
  EXPECT_EQ(head.stored, head.trained);
  const Counts mlp = counts(spec, {{"length", "5"}, {"reparametrisation", "mlp"}, {"hidden", "6"}});
  EXPECT_EQ(mlp.stored, encoder.stored);
  EXPECT_EQ(mlp.trained, 5 * 20 + (20 * 6 + 6) + (6 * 72 + 72));

  BackboneSpec base;  // t5-v1_1-base
  base.vocab_size = 32128;
  base.d_model = 768;
  base.d_kv = 64;
  base.num_heads = 12;
  base.d_ff = 2048;
  base.encoder_layers = base.decoder_layers = 12;
  base.gated = true;
  EXPECT_EQ(counts(base, {{"length", "100"}}).trained, 1'843'200);
  const TaskShape two{{"no", "yes"}, {}};
  EXPECT_EQ(counts(base, {{"length", "100"}, {"head", "classification"}}, two).trained, 1'843'200 + 2 * 768 + 2);
}

TEST(PTuningV2, TheClassificationHeadReadsTheFirstDecoderState) {
  const auto backbone = tiny_backbone();
  const BackboneSpec& spec = backbone->spec();
  const CompiledPlan made = initialised(spec, {{"head", "classification"}}, three_labels);
  const TensorMap stored = made.stored();
  stored.at("head.weight").copy_(at::randn({3, 20}));
  stored.at("head.bias").copy_(at::randn({3}));
  const RunContext context = RunContext::inference();
  at::NoGradGuard no_grad;
  const EncoderState encoder = backbone->encode(PackedTokens::of({some_ids(9, 1), some_ids(4, 2)}), made, context);
  const DecoderState state = backbone->decode(encoder, PackedTokens::of({{0}, {0}}), made, context);
  const Tensor scores = backbone->head(state, made, context);
  const Tensor expected = at::matmul(state.hidden, stored.at("head.weight").t()) + stored.at("head.bias");
  ASSERT_EQ(scores.sizes(), (Shape{2, 3}));
  EXPECT_LT(difference(scores, expected), 1e-6);
  // Whatever follows the start token.
  const DecoderState longer = backbone->decode(encoder, PackedTokens::of({{0, 5, 7}, {0, 9}}), made, context);
  EXPECT_LT(difference(backbone->head(longer, made, context), expected), 1e-5);
  ASSERT_TRUE(made.only()->head);
  EXPECT_TRUE(made.only()->head->scores_classes());
  EXPECT_THAT(made.only()->head->decoder_tokens(), IsEmpty());
  EXPECT_FALSE(plan(spec, {}, three_labels).only()->head);
}

TEST(PTuningV2, ATaskWithoutLabelsHasNoClasses) {
  for (const TaskShape& task : {TaskShape{}, TaskShape{{"only"}, {}}}) {
    try {
      plan(support::tiny_spec(), {{"head", "classification"}}, task);
      ADD_FAILURE() << "accepted";
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr("set head=verbalizer"));
    }
  }
}

TEST(PTuningV2, FirstValuesAreThoseOfTheReleasedCode) {
  const BackboneSpec spec = support::tiny_spec();
  const TensorMap made =
      initialised(spec, {{"length", "200"}, {"hidden", "64"}, {"reparametrisation", "mlp"}, {"head", "classification"}},
                  three_labels)
          .training();
  for (const char* name : {"encoder.self.rows", "encoder.self.hidden.weight", "encoder.self.output.weight"}) {
    EXPECT_NEAR(made.at(name).std().item<float>(), 0.02, 0.002) << name;
  }
  EXPECT_LT(made.at("head.weight").abs().max().item<float>(), 0.1);
  EXPECT_GT(made.at("head.weight").abs().min().item<float>(), 0);
  for (const char* name : {"encoder.self.hidden.bias", "encoder.self.output.bias", "head.bias"}) {
    EXPECT_EQ(made.at(name).abs().max().item<float>(), 0) << name;
  }
  const TensorMap direct = initialised(spec, {{"length", "200"}}).stored();
  EXPECT_NEAR(direct.at("encoder.self.prompt").std().item<float>(), 0.02, 0.001);
}

TEST(PTuningV2, ThePromptIsDroppedInTrainingAlone) {
  const BackboneSpec spec = support::tiny_spec();
  const CompiledPlan made = initialised(spec, {{"length", "100"}});
  const KvSite site = spec.key_values(Stack::encoder, Sublayer::self)[1];
  const KvHook& hook = *made.only()->kv[static_cast<std::size_t>(site.index)];
  const KvPrefix still = hook.prefix(RunContext::inference());
  const KvPrefix dropped = hook.prefix(RunContext::for_training(0, DropoutShape::per_sequence, 3));
  EXPECT_EQ(still.values.eq(0).sum().item<int64_t>(), 0);
  EXPECT_NEAR(dropped.keys.eq(0).to(at::kFloat).mean().item<double>(), 0.1, 0.03);
  EXPECT_LT(difference(dropped.values, at::where(dropped.values.eq(0), 0 * still.values, still.values / 0.9)), 1e-6);
  EXPECT_FALSE(at::equal(dropped.keys.eq(0), dropped.values.eq(0)));
}

}  // namespace
}  // namespace peftbench::p_tuning_v2_test
