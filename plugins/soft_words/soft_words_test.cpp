#include "eval/likelihood.h"
#include "support/forward.h"
#include "support/layers.h"
#include "support/slots.h"
#include "support/tiny_backbone.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

namespace peftbench::soft_words_test {

using namespace layers;

namespace {

using support::difference;
using support::slot;
using support::tiny_backbone;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* one = "{input} [2: ab] <extra_id_0> [1: c]";
constexpr const char* two = "{input} [2: ab] <extra_id_0> [1: c] | [3: de] {text}? <extra_id_0>";

CompiledPlan initialised(const Backbone& backbone, const GivenValues& given) {
  CompiledPlan plan = support::plan_of_plugin(backbone.spec(), {}, given);
  EXPECT_THAT(support::initialise_with_letters(backbone, plan), IsEmpty());
  return plan;
}

Tensor encoded(const Backbone& backbone, const CompiledPlan& plan, const PackedTokens& tokens) {
  at::NoGradGuard no_grad;
  support::refresh(backbone, plan);
  return backbone.encode(tokens, plan, RunContext::inference()).hidden;
}

std::string refusal(const std::string& prompts) {
  return support::refusal_of_plan(support::tiny_spec(), {}, {{"prompts", prompts}});
}

TEST(SoftWords, EachCopyHasItsOwnPrompt) {
  const CompiledPlan plan = support::plan_of_plugin(support::tiny_spec(), {}, {{"prompts", two}});
  const TextExample example{{Piece::of_text("say: "), Piece::of_text("x", "text")}, "", 0, {}, {}};
  EXPECT_EQ(support::shown_layout(plan, example, 0), "say: x<2><extra_id_0><1>");
  EXPECT_EQ(support::shown_layout(plan, example, 1), "<3>x? <extra_id_0>");
  EXPECT_EQ(replicas_of(plan), 2);
}

// Recipes §2.11, for each prompt: (max_layer + 1)·n·D, and a weight of the mixture, which EM sets.
TEST(SoftWords, Counts) {
  const BackboneSpec tiny = support::tiny_spec(), base = support::v11_base();
  const auto trained = [](const BackboneSpec& spec, const GivenValues& given) {
    return support::trained_elements(support::plan_of_plugin(spec, {}, given));
  };
  EXPECT_EQ(trained(tiny, {{"prompts", one}}), (3 + 1) * 3 * 20);  // the encoder has three layers
  EXPECT_EQ(trained(tiny, {{"prompts", one}, {"max_layer", "1"}}), 2 * 3 * 20);
  EXPECT_EQ(trained(tiny, {{"prompts", one}, {"max_layer", "0"}}), 3 * 20);
  EXPECT_EQ(trained(base, {}), (12 + 1) * 2 * 768);
  EXPECT_EQ(trained(base, {{"prompts", two}}), (12 + 1) * (3 + 3) * 768);
  const CompiledPlan mixture = support::plan_of_plugin(base, {}, {{"prompts", two}});
  EXPECT_THAT(mixture.claimed_sites(), Contains("replicas"));
  const auto slots = mixture.slots();
  const auto weights =
      std::find_if(slots.begin(), slots.end(), [](const auto& one) { return one->name == "replicas.weights"; });
  ASSERT_NE(weights, slots.end());
  EXPECT_EQ((*weights)->shape, Shape{2});
  EXPECT_EQ((*weights)->role, Role::buffer);
}

TEST(SoftWords, SitesAreTheInputAndTheOutputOfEachLayer) {
  const CompiledPlan plan = support::plan_of_plugin(support::tiny_spec(), {}, {{"prompts", one}, {"max_layer", "2"}});
  EXPECT_THAT(plan.claimed_sites(), ElementsAre("encoder.1.block", "encoder.2.block", "encoder.input", "layout"));
  EXPECT_THAT(support::plan_of_plugin(support::tiny_spec(), {}, {{"prompts", one}}).claimed_sites(),
              Contains("encoder.3.block"));  // what leaves the last layer
}

TEST(SoftWords, BeginsAsTheWordsThemselves) {
  const auto backbone = tiny_backbone();
  const CompiledPlan plan = initialised(*backbone, {{"prompts", one}});
  const Tensor soft =
      encoded(*backbone, plan, support::with_slots({{9, 8, slot, slot, 39, slot, 1}, {7, slot, slot, 39, slot, 1}}));
  const Tensor hard = encoded(*backbone, {}, PackedTokens::of({{9, 8, 3, 4, 39, 5, 1}, {7, 3, 4, 39, 5, 1}}));
  EXPECT_LT(difference(soft, hard), 1e-6);
}

TEST(SoftWords, FewerTokensThanSlotsAreRepeated) {
  const auto backbone = tiny_backbone();
  const CompiledPlan plan = initialised(*backbone, {{"prompts", "[5: ab] {input} [1: c]"}});
  EXPECT_EQ(difference(support::value_of(plan, "encoder.input.words"), backbone->embedding_rows({3, 4, 3, 4, 3, 5})),
            0);
}

class AddRows final : public BlockHook {
 public:
  AddRows(std::vector<int64_t> rows, Tensor values) : rows_(std::move(rows)), values_(std::move(values)) {}
  Tensor apply(const BlockCall& call) const override {
    Tensor hidden = call.hidden.clone();
    for (std::size_t i = 0; i < rows_.size(); ++i) hidden[rows_[i]].add_(values_[static_cast<int64_t>(i)]);
    return hidden;
  }

 private:
  std::vector<int64_t> rows_;
  Tensor values_;
};

// Against rows that are counted by hand: the changes go to the words alone, after each layer, with Δ^0 a token's own.
TEST(SoftWords, ChangesAreAddedAtTheWordsAfterEachLayer) {
  const auto backbone = tiny_backbone();
  const CompiledPlan plan = initialised(*backbone, {{"prompts", one}});
  const Tensor table = backbone->embedding_rows({11, 12, 13});
  support::value_of(plan, "encoder.input.delta") = table - support::value_of(plan, "encoder.input.words");
  std::vector<Tensor> delta;
  for (const char* layer : {"1", "2", "3"}) {
    delta.push_back(at::randn({3, 20}));
    support::value_of(plan, std::string("encoder.") + layer + ".block.delta") = delta.back();
  }
  const CompiledPlan other = support::plan_with(*backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) {
    for (std::size_t l = 1; l <= 3; ++l)
      builder.claim<AddRows>(spec.blocks(Stack::encoder)[l], std::vector<int64_t>{2, 3, 5, 8, 9, 11},
                             at::cat({delta[l - 1], delta[l - 1]}));
  });
  const Tensor soft =
      encoded(*backbone, plan, support::with_slots({{9, 8, slot, slot, 39, slot, 1}, {7, slot, slot, 39, slot, 1}}));
  const Tensor hand = encoded(*backbone, other, PackedTokens::of({{9, 8, 11, 12, 39, 13, 1}, {7, 11, 12, 39, 13, 1}}));
  EXPECT_LT(difference(soft, hand), 1e-5);
}

// A mixture's copies take their own rows of the parameters: each equals the plan of its prompt alone.
TEST(SoftWords, EachPromptOfAMixtureIsItselfAlone) {
  const auto backbone = tiny_backbone();
  const CompiledPlan mixture = initialised(*backbone, {{"prompts", two}});
  const CompiledPlan first = initialised(*backbone, {{"prompts", one}});
  const CompiledPlan second = initialised(*backbone, {{"prompts", "[3: de] {text}? <extra_id_0>"}});
  for (const auto& parameter : first.trained()) {
    const Tensor all = at::randn({6, 20});
    support::value_of(mixture, parameter->name) = all;
    support::value_of(first, parameter->name) = all.narrow(0, 0, 3);
    support::value_of(second, parameter->name) = all.narrow(0, 3, 3);
  }
  const std::vector<int64_t> a{9, 8, slot, slot, 39, slot, 1}, b{slot, slot, slot, 8, 39, 1};
  const Tensor both = encoded(*backbone, mixture, support::with_slots({a, b, a, b}, {0, 1, 0, 1}));
  EXPECT_LT(difference(both.narrow(0, 13, 7), encoded(*backbone, first, support::with_slots({a}))), 1e-5);
  EXPECT_LT(difference(both.narrow(0, 7, 6), encoded(*backbone, second, support::with_slots({b}))), 1e-5);
}

class SoftWordsMixture : public ::testing::Test {
 protected:
  void make(const GivenValues& more = {}) {
    GivenValues given{{"prompts", two}};
    given.insert(more.begin(), more.end());
    plan = initialised(*backbone, given);
  }
  Tensor combine(bool training) { return plan.only()->replica->combine({log_likelihoods, training}); }
  void step(int64_t number) { plan.only()->step->step_end({number, 100}); }
  Tensor weights() { return support::value_of(plan, "replicas.weights"); }

  std::shared_ptr<const Backbone> backbone = tiny_backbone();
  CompiledPlan plan;
  Tensor log_likelihoods = at::randn({5, 2}) * 3 - 4;
};

TEST_F(SoftWordsMixture, TheLikelihoodIsTheWeightedSum) {
  make();
  EXPECT_EQ(weights()[0].item<float>(), 0.5f);
  weights().copy_(at::softmax(at::randn({2}), 0));
  const Tensor sum = at::log((log_likelihoods.exp() * weights()).sum(1));
  EXPECT_LT(difference(combine(false), sum), 1e-5);
  const std::vector<double> votes = plan.only()->replica->votes();
  EXPECT_THAT(votes, ElementsAre(weights()[0].item<float>(), weights()[1].item<float>()));
}

// One step is an E step over its micro-batches and an M step; without either nothing moves.
TEST_F(SoftWordsMixture, WeightsFollowTheResponsibilities) {
  make({{"em_power", "1"}});
  const Tensor first = at::softmax(log_likelihoods, 1).sum(0);  // from equal weights
  combine(true);
  log_likelihoods = log_likelihoods.flip(0) - 1;
  const Tensor all = first + at::softmax(log_likelihoods, 1).sum(0);
  combine(true);
  combine(false);  // a validation loss is not part of it
  EXPECT_EQ(weights()[0].item<float>(), 0.5f);
  step(1);
  const Tensor after = at::full({2}, 0.25) + all / all.sum() / 2;  // rate (1 + 1)^-1
  EXPECT_LT(difference(weights(), after), 1e-6);
  EXPECT_NEAR(weights().sum().item<float>(), 1, 1e-6);
  const Tensor kept = weights().clone();
  step(2);
  EXPECT_TRUE(at::equal(weights(), kept));  // nothing was gathered
}

// EM on fixed likelihoods: the weights come to where they maximise Σ log Σ_r π_r p_r.
TEST_F(SoftWordsMixture, RepeatedStepsReachTheMaximum) {
  make({{"em_power", "0.5"}});
  for (int64_t t = 1; t <= 4000; ++t) {
    combine(true);
    step(t);
  }
  const auto objective = [&](double p) {
    return (log_likelihoods + at::tensor({std::log(p), std::log(1 - p)}).to(at::kFloat))
        .logsumexp(1)
        .sum()
        .item<double>();
  };
  double best = 0.0005;
  for (double p = best; p < 1; p += 0.0005)
    if (objective(p) > objective(best)) best = p;
  EXPECT_NEAR(weights()[0].item<double>(), best, 2e-3);
}

TEST_F(SoftWordsMixture, FixedWeightsStay) {
  make({{"weights", "fixed"}});
  combine(true);
  EXPECT_EQ(plan.only()->step, nullptr);
  EXPECT_EQ(weights()[0].item<float>(), 0.5f);
}

// Weights are stored with the adapter and belong to a checkpoint; they get no gradient.
TEST_F(SoftWordsMixture, WeightsAreStored) {
  make();
  EXPECT_EQ(plan.stored().count("replicas.weights"), 1u);
  EXPECT_EQ(plan.training().count("replicas.weights"), 1u);
  EXPECT_FALSE(weights().requires_grad());
}

TEST(SoftWords, Refusals) {
  EXPECT_THAT(refusal("{input} It was <extra_id_0>."), HasSubstr("has no soft words"));
  EXPECT_THAT(refusal("{input} [3]"), HasSubstr("slots without words"));
  EXPECT_THAT(refusal("{input} [3: ]"), HasSubstr("slots without words"));
  EXPECT_THAT(refusal("{input} [3: a"), HasSubstr("slots without words"));
  EXPECT_THAT(refusal("{input} [0: a]"), HasSubstr("slots without words"));
  EXPECT_THAT(refusal("[1: a]"), HasSubstr("does not contain the example"));
  EXPECT_THAT(refusal("{input} [1: a] |"), HasSubstr("has no soft words"));
  EXPECT_EQ(refusal("[note] {input} [1: a]"), "accepted");  // brackets of the user's own
  const auto backbone = tiny_backbone();
  CompiledPlan plan = support::plan_of_plugin(backbone->spec(), {}, {{"prompts", "{input} [2: abc]"}});
  try {
    support::initialise_with_letters(*backbone, plan);
    FAIL() << "three tokens in two slots";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("write [3: abc]"));
  }
  const CompiledPlan good = initialised(*backbone, {{"prompts", one}});
  EXPECT_THROW(encoded(*backbone, good, PackedTokens::of({{5, 6, 1}})), ConfigError);  // ids without a template
}

TEST(SoftWords, DefaultsAreTheAuthors) {
  EXPECT_THAT(schema_faults(support::schema_of_plugin()), IsEmpty());
  EXPECT_FALSE(support::schema_of_plugin().can(Capability::identity_at_init));  // only beside its own words
  using Advice = std::pair<std::string, std::string>;
  EXPECT_THAT(support::schema_of_plugin().recommendations(), Contains(Advice("train.learning_rate", "1e-3")));
}

}  // namespace
}  // namespace peftbench::soft_words_test
