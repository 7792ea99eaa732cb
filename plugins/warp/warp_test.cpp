#include "eval/likelihood.h"
#include "support/forward.h"
#include "support/layers.h"
#include "support/slots.h"
#include "support/tiny_backbone.h"

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <gmock/gmock.h>

#include <cmath>

namespace peftbench::warp_test {

using namespace layers;

namespace {

using support::difference;
using support::slot;
using support::tiny_backbone;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TaskShape two{{"ab", "c"}, {"text"}};

CompiledPlan initialised(const Backbone& backbone, const GivenValues& given, const TaskShape& task = two) {
  CompiledPlan plan = support::plan_of_plugin(backbone.spec(), task, given);
  EXPECT_THAT(support::initialise_with_letters(backbone, plan), IsEmpty());
  return plan;
}

Tensor scores(const Backbone& backbone, const CompiledPlan& plan, const PackedTokens& inputs) {
  at::NoGradGuard no_grad;
  const RunContext context = RunContext::inference();
  return class_log_probabilities(backbone, backbone.encode(inputs, plan, context), plan, context);
}

// Decoder states [B, D] after the start token.
Tensor states(const Backbone& backbone, const PackedTokens& inputs) {
  at::NoGradGuard no_grad;
  const RunContext context = RunContext::inference();
  const std::vector<std::vector<int64_t>> start(inputs.layout.lengths.size(), {0});
  return backbone.decode(backbone.encode(inputs, {}, context), PackedTokens::of(start), {}, context).hidden;
}

std::string layout(const TaskShape& task, const GivenValues& given) {
  const TextExample example{{Piece::of_text("one: "), Piece::of_text("A", "one"), Piece::of_text(" two: "),
                             Piece::of_text("B", "two"), Piece::of_text("C", "three")},
                            "",
                            0,
                            {},
                            {}};
  return support::shown_layout(support::plan_of_plugin(support::tiny_spec(), task, given), example);
}

TEST(Warp, PromptsStandAroundEachField) {
  const std::vector<std::string> labels{"a", "b"};
  EXPECT_EQ(layout({labels, {"one"}}, {}), "<5>A<5><extra_id_0><5>");
  EXPECT_EQ(layout({labels, {"one", "two"}}, {{"segment", "2"}}), "<2>A<2><extra_id_0><2>B<2>");
  EXPECT_EQ(layout({labels, {"one", "two", "one", "three"}}, {}), "<5>A<5><extra_id_0><5>B<5>C<5>");
  EXPECT_EQ(layout({labels, {}}, {}), "<5>one: A two: BC<5><extra_id_0><5>");
  EXPECT_EQ(layout({labels, {"one", "two"}}, {{"template", "[3] {two} <extra_id_0>? [1]"}}), "<3>B <extra_id_0>?<1>");
  // With two fields the authors' 20 prompts.
  EXPECT_EQ(support::plan_of_plugin(support::tiny_spec(), {labels, {"one", "two"}}).trained()[0]->shape,
            (Shape{20, 20}));
}

// Recipes §6: P·D + C·D (+ C).
TEST(Warp, CountsAreThoseOfThePaper) {
  const GivenValues eight{{"template", "[4] {input} [4] <extra_id_0>"}};
  GivenValues without_bias = eight;
  without_bias["bias"] = "false";
  EXPECT_EQ(support::trained_elements(support::plan_of_plugin(support::v11_base(), two, without_bias)), 7680);
  EXPECT_EQ(support::trained_elements(support::plan_of_plugin(support::v11_base(), two, eight)), 7682);
  EXPECT_EQ(support::trained_elements(support::plan_of_plugin(support::tiny_spec(), two, {})), 15 * 20 + 2 * 20 + 2);
}

TEST(Warp, SitesAndNames) {
  const CompiledPlan plan = support::plan_of_plugin(support::tiny_spec(), two);
  EXPECT_THAT(plan.claimed_sites(), ElementsAre("encoder.input", "head", "layout"));
  std::vector<std::string> names;
  for (const auto& one : plan.slots()) names.push_back(one->name);
  EXPECT_THAT(names, ElementsAre("encoder.input.prompt", "head.verbalizer", "head.bias"));
  EXPECT_TRUE(support::schema_of_plugin().can(Capability::classification_only));
}

// A row at a slot is a token at that place if it is the token's embedding; and scores are v_c · h + b_c.
TEST(Warp, ScoresAreProductsWithTheDecodersFirstState) {
  for (const bool tied : {false, true}) {
    const auto backbone = tiny_backbone({.gated = !tied, .tied = tied});
    const CompiledPlan plan = initialised(*backbone, {{"template", "[2] {input} [1] <extra_id_0>"}});
    const std::vector<int64_t> ids{7, 12, 31};
    support::value_of(plan, "encoder.input.prompt") = backbone->embedding_rows(ids);
    const Tensor v = at::randn({2, 20}), b = at::randn({2});
    support::value_of(plan, "head.verbalizer") = v;
    support::value_of(plan, "head.bias") = b;
    const PackedTokens slotted =
        support::with_slots({{slot, slot, 5, 6, 9, slot, 39, 1}, {slot, slot, 8, slot, 39, 1}});
    const PackedTokens words = PackedTokens::of({{7, 12, 5, 6, 9, 31, 39, 1}, {7, 12, 8, 31, 39, 1}});
    const double scale = tied ? std::pow(20.0, -0.5) : 1.0;
    const Tensor expected = at::log_softmax(states(*backbone, words).matmul(v.t()) * scale + b, 1);
    EXPECT_LT(difference(scores(*backbone, plan, slotted), expected), 2e-5) << "tied " << tied;
  }
}

// Without prompts, a class with a one-token label begins with the logit that the backbone gives that token.
TEST(Warp, TheVerbalizerBeginsAsTheBackbonesOwnHead) {
  for (const bool tied : {false, true}) {
    const auto backbone = tiny_backbone({.gated = !tied, .tied = tied});
    const CompiledPlan plan = initialised(*backbone, {{"segment", "0"}}, {{"f", "c", "k"}, {"text"}});
    EXPECT_EQ(plan.trained().size(), 2u);
    const support::Batch inputs{{5, 6, 39, 1}, {8, 39, 1}};
    const Tensor all = support::logits(*backbone, {}, inputs, {{0}, {0}});
    const Tensor expected = at::log_softmax(at::stack({all.select(1, 8), all.select(1, 5), all.select(1, 13)}, 1), 1);
    EXPECT_LT(difference(scores(*backbone, plan, PackedTokens::of(inputs)), expected), 1e-5) << "tied " << tied;
  }
}

TEST(Warp, FirstValues) {
  const auto backbone = tiny_backbone();
  const CompiledPlan standard = initialised(*backbone, {});
  const Tensor mask = backbone->embedding_rows({39});
  EXPECT_EQ(difference(support::value_of(standard, "encoder.input.prompt"), mask.expand({15, 20})), 0);
  const Tensor head = backbone->frozen(backbone->spec().parameter("lm_head.weight").index);
  EXPECT_LT(difference(support::value_of(standard, "head.verbalizer")[0], (head[3] + head[4]) / 2), 1e-6);  // a, b
  EXPECT_EQ(difference(support::value_of(standard, "head.verbalizer")[1], head[5]), 0);
  EXPECT_EQ(support::value_of(standard, "head.bias").abs().max().item<float>(), 0);

  const CompiledPlan spread = initialised(*backbone, {{"prompt_init", "table_normal"}, {"segment", "400"}});
  const Tensor table = backbone->frozen(backbone->spec().parameter("shared.weight").index);
  const Tensor rows = support::value_of(spread, "encoder.input.prompt");
  EXPECT_NEAR(rows.std().item<float>(), table.std().item<float>(), 0.02);
  EXPECT_NEAR(rows.mean().item<float>(), table.mean().item<float>(), 0.02);

  const CompiledPlan random = initialised(
      *backbone, {{"prompt_init", "normal"}, {"segment", "400"}, {"verbalizer_init", "random"}, {"bias", "false"}});
  EXPECT_NEAR(support::value_of(random, "encoder.input.prompt").std().item<float>(), 1, 0.02);
  EXPECT_LE(support::value_of(random, "head.verbalizer").abs().max().item<float>(), 1 / std::sqrt(20.0));
  EXPECT_GT(support::value_of(random, "head.verbalizer").abs().max().item<float>(), 0.15);
}

TEST(Warp, ALabelWithoutTokensIsTold) {
  const auto backbone = tiny_backbone();
  CompiledPlan plan = support::plan_of_plugin(backbone->spec(), {{"a", " "}, {"text"}});
  EXPECT_THAT(support::initialise_with_letters(*backbone, plan), ElementsAre(HasSubstr("label ' ' has no tokens")));
}

TEST(Warp, Refusals) {
  const BackboneSpec spec = support::tiny_spec();
  EXPECT_THAT(support::refusal_of_plan(spec, {{}, {"text"}}, {}), HasSubstr("needs a task with label words"));
  EXPECT_THAT(support::refusal_of_plan(spec, two, {{"template", "[5] {input}"}}),
              HasSubstr("<extra_id_0> at the position"));
  EXPECT_THAT(support::refusal_of_plan(spec, two, {{"template", "[5] <extra_id_0>"}}),
              HasSubstr("does not contain the example"));
  const auto backbone = tiny_backbone();
  const CompiledPlan plan = initialised(*backbone, {});
  EXPECT_THROW(scores(*backbone, plan, PackedTokens::of({{5, 6, 1}})), ConfigError);  // ids without a template
}

TEST(Warp, DefaultsAreTheAuthors) {
  EXPECT_THAT(schema_faults(support::schema_of_plugin()), IsEmpty());
  const auto advice = support::schema_of_plugin().recommendations();
  using Advice = std::pair<std::string, std::string>;
  EXPECT_THAT(advice, Contains(Advice("train.learning_rate", "1e-3")));
  EXPECT_THAT(advice, Contains(Advice("train.dropout", "0")));
  EXPECT_THAT(advice, Contains(Advice("train.clip_norm", "1.0")));
}

}  // namespace
}  // namespace peftbench::warp_test
