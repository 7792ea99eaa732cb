#include "eval/likelihood.h"
#include "support/forward.h"
#include "support/layers.h"
#include "support/slots.h"
#include "support/tiny_backbone.h"

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>

#include <cmath>

namespace peftbench::vpt_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::some_ids;
using support::tiny_backbone;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Batch inputs{some_ids(9, 1), some_ids(4, 2)}, targets{{0, 5, 6}, {0, 9}};
const TaskShape three{{"a", "b", "c"}, {"text"}};

CompiledPlan initialised(const Backbone& backbone, const GivenValues& given, const TaskShape& task = {}) {
  CompiledPlan plan = support::plan_of_plugin(backbone.spec(), task, given);
  EXPECT_THAT(support::initialise_with_letters(backbone, plan), IsEmpty());
  return plan;
}

Batch joined(const std::vector<int64_t>& before) {
  Batch longer = inputs;
  for (auto& sequence : longer) sequence.insert(sequence.begin(), before.begin(), before.end());
  return longer;
}

TEST(Vpt, SitesAndCounts) {
  const CompiledPlan shallow = support::plan_of_plugin(support::tiny_spec(), {}, {{"depth", "shallow"}});
  EXPECT_THAT(shallow.claimed_sites(), ElementsAre("encoder.input"));
  EXPECT_EQ(support::trained_elements(shallow), 50 * 20);
  const CompiledPlan deep = support::plan_of_plugin(support::tiny_spec(), {}, {{"length", "7"}});
  EXPECT_THAT(deep.claimed_sites(), ElementsAre("encoder.1.block", "encoder.2.block", "encoder.input"));
  EXPECT_EQ(support::trained_elements(deep), 3 * 7 * 20);  // of an encoder of three layers
  const CompiledPlan head =
      support::plan_of_plugin(support::tiny_spec(), three, {{"length", "7"}, {"head", "classification"}});
  EXPECT_EQ(support::trained_elements(head), 3 * 7 * 20 + 3 * 20 + 3);
  // Recipes §2.10 at P = 100 of v1.1-base: P·D and L·P·D.
  const BackboneSpec base = support::v11_base();
  EXPECT_EQ(support::trained_elements(support::plan_of_plugin(base, {}, {{"depth", "shallow"}, {"length", "100"}})),
            76800);
  EXPECT_EQ(support::trained_elements(support::plan_of_plugin(base, {}, {{"length", "100"}})), 921600);
}

TEST(Vpt, AShallowPromptOfEmbeddingsIsItsTokens) {
  const auto backbone = tiny_backbone();
  const std::vector<int64_t> ids{7, 3, 12};
  const CompiledPlan plan = initialised(*backbone, {{"depth", "shallow"}, {"length", "3"}});
  support::value_of(plan, "encoder.input.prompt") = backbone->embedding_rows(ids);
  EXPECT_LT(difference(support::logits(*backbone, plan, inputs, targets),
                       support::logits(*backbone, {}, joined(ids), targets)),
            1e-5);
}

class Overwrite final : public BlockHook {
 public:
  explicit Overwrite(Tensor rows) : rows_(std::move(rows)) {}
  Tensor apply(const BlockCall& call) const override {  // the first rows of each sequence, found without slots
    Tensor hidden = call.hidden.clone();
    for (const int64_t first : call.layout.offsets)
      if (first < hidden.size(0)) hidden.narrow(0, first, rows_.size(0)).copy_(rows_);
    return hidden;
  }

 private:
  Tensor rows_;
};

// The same with tokens in place of the first prompt, and another hook that overwrites their rows.
TEST(Vpt, DeepPromptsReplaceWhatTheLayerBeforeWrote) {
  const auto backbone = tiny_backbone();
  const std::vector<int64_t> ids{7, 3, 12};
  const CompiledPlan plan = initialised(*backbone, {{"length", "3"}});
  support::value_of(plan, "encoder.input.prompt") = backbone->embedding_rows(ids);
  const Tensor one = at::randn({3, 20}), two = at::randn({3, 20});
  support::value_of(plan, "encoder.1.block.prompt") = one;
  support::value_of(plan, "encoder.2.block.prompt") = two;
  const CompiledPlan other = support::plan_with(*backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.claim<Overwrite>(spec.blocks(Stack::encoder)[1], one);
    builder.claim<Overwrite>(spec.blocks(Stack::encoder)[2], two);
  });
  const Tensor deep = support::logits(*backbone, plan, inputs, targets);
  EXPECT_LT(difference(deep, support::logits(*backbone, other, joined(ids), targets)), 1e-5);
  EXPECT_GT(difference(deep, support::logits(*backbone, {}, joined(ids), targets)), 1e-2);
}

TEST(Vpt, EachSequenceHasItsOwnDropoutOfThePrompt) {
  const auto backbone = tiny_backbone();
  const auto rows = [&](const char* rate, const RunContext& context) {
    const CompiledPlan plan = initialised(*backbone, {{"length", "40"}, {"depth", "deep"}, {"prompt_dropout", rate}});
    const auto& hook = plan.only()->input[0];
    const PackedTokens batch = PackedTokens::of({{5, 1}, {5, 1}});
    const Tensor embeddings = backbone->embedding_rows({5, 1, 5, 1});
    const Tensor out = hook->apply({{context, batch.layout}, batch.ids, embeddings}).embeddings.reshape({2, 42, 20});
    EXPECT_EQ(difference(out.narrow(1, 40, 2).reshape({4, 20}), embeddings), 0);  // the text's own rows have none
    return out.narrow(1, 0, 40) / support::value_of(plan, "encoder.input.prompt");
  };
  const RunContext training = RunContext::for_training(0, DropoutShape::per_sequence, 3);
  const Tensor half = rows("0.5", training);
  EXPECT_NEAR(half.eq(0).to(at::kFloat).mean().item<float>(), 0.5, 0.05);
  EXPECT_NEAR(half.max().item<float>(), 2, 1e-5);
  EXPECT_GT(difference(half[0], half[1]), 1);
  EXPECT_LT((rows("0.5", RunContext::inference()) - 1).abs().max().item<float>(), 1e-6);
  EXPECT_LT((rows("0", training) - 1).abs().max().item<float>(), 1e-6);
}

TEST(Vpt, DropoutReachesDeepPromptsAndTheirGradients) {
  const auto backbone = tiny_backbone();
  const CompiledPlan plan = initialised(*backbone, {{"length", "6"}, {"prompt_dropout", "0.5"}});
  const RunContext training = RunContext::for_training(0, DropoutShape::per_sequence, 3);
  backbone->encode(PackedTokens::of({some_ids(6, 1)}), plan, training).hidden.square().sum().backward();
  for (const auto& parameter : plan.trained()) {
    const Tensor gradient = parameter->value.grad();
    const auto silent = gradient.eq(0).sum().item<int64_t>();
    EXPECT_GT(silent, 20) << parameter->name;
    EXPECT_LT(silent, 100) << parameter->name;
  }
}

TEST(Vpt, TheHeadReadsTheDecodersFirstState) {
  for (const bool tied : {false, true}) {
    const auto backbone = tiny_backbone({.gated = !tied, .tied = tied});
    const std::vector<int64_t> ids{7, 3};
    const CompiledPlan plan =
        initialised(*backbone, {{"depth", "shallow"}, {"length", "2"}, {"head", "classification"}}, three);
    support::value_of(plan, "encoder.input.prompt") = backbone->embedding_rows(ids);
    at::NoGradGuard no_grad;
    const RunContext context = RunContext::inference();
    const Tensor found =
        class_log_probabilities(*backbone, backbone->encode(PackedTokens::of(inputs), plan, context), plan, context);
    const EncoderState plain = backbone->encode(PackedTokens::of(joined(ids)), {}, context);
    const Tensor state = backbone->decode(plain, PackedTokens::of({{0}, {0}}), {}, context).hidden;
    const Tensor w = support::value_of(plan, "head.weight"), b = support::value_of(plan, "head.bias");
    const double scale = tied ? std::pow(20.0, -0.5) : 1.0;
    EXPECT_LT(difference(found, at::log_softmax(state.matmul(w.t()) * scale + b, 1)), 2e-5) << "tied " << tied;
  }
}

TEST(Vpt, FirstValues) {
  const auto backbone = tiny_backbone();
  const CompiledPlan plan =
      initialised(*backbone, {{"length", "200"}, {"head", "classification"}, {"init_fan_in", "40"}}, three);
  const double bound = std::sqrt(6.0 / (40 + 20));
  for (const char* name : {"encoder.input.prompt", "encoder.2.block.prompt"}) {
    const Tensor value = support::value_of(plan, name);
    EXPECT_LE(value.abs().max().item<float>(), bound) << name;
    EXPECT_GT(value.max().item<float>(), 0.99 * bound) << name;
    EXPECT_NEAR(value.mean().item<float>(), 0, 0.02) << name;
  }
  EXPECT_NEAR(support::value_of(plan, "head.weight").std().item<float>(), std::sqrt(2.0 / 3), 0.2);
  // The default at the sizes of ViT-B/16: √(6 / (3·16² + d)).
  const CompiledPlan wide = initialised(*backbone, {{"length", "200"}});
  EXPECT_LE(support::value_of(wide, "encoder.input.prompt").abs().max().item<float>(), std::sqrt(6.0 / (768 + 20)));
  EXPECT_GT(support::value_of(wide, "encoder.input.prompt").max().item<float>(), 0.99 * std::sqrt(6.0 / (768 + 20)));
}

TEST(Vpt, RefusalsAndSchema) {
  EXPECT_THAT(support::refusal_of_plan(support::tiny_spec(), {}, {{"head", "classification"}}),
              HasSubstr("label words"));
  EXPECT_THAT(schema_faults(support::schema_of_plugin()), IsEmpty());
  using Advice = std::pair<std::string, std::string>;
  EXPECT_THAT(support::schema_of_plugin().recommendations(), Contains(Advice("train.schedule", "cosine")));
}

}  // namespace
}  // namespace peftbench::vpt_test
