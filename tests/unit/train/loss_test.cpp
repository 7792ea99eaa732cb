#include "support/layers.h"
#include "unit/train/training_fixture.h"

#include <gtest/gtest.h>

#include <ATen/ops/log_softmax.h>

namespace peftbench::loss_test {

using namespace layers;

namespace {

using namespace support;

class Loss : public ::testing::Test {
 protected:
  // Loss, and the gradient of the first parameter, of one step cut into micro-batches.
  std::pair<double, Tensor> step(const CompiledPlan& plan, const TrainConfig& config, std::size_t micro_batches = 1,
                                 std::int64_t logit_bytes = most_logit_bytes) {
    const std::size_t each = examples_.size() / micro_batches;
    StepTotals totals{0, static_cast<std::int64_t>(micro_batches)};
    for (const auto& example : examples_) totals.tokens += counted_tokens(example, plan);
    for (const auto& slot : plan.trained()) slot->value.mutable_grad() = Tensor();
    double loss = 0;
    for (std::size_t m = 0; m < micro_batches; ++m) {
      ExampleBatch batch;
      batch.copies = replicas_of(plan);
      for (std::size_t i = 0; i < each; ++i) batch.examples.push_back(&examples_[m * each + i]);
      loss += add_gradients(config, *backbone_, plan, batch, totals, 1, nullptr, logit_bytes);
    }
    return {loss, plan.trained().front()->value.grad().clone()};
  }

  static TrainConfig still() {
    TrainConfig config;
    config.dropout = 0;
    return config;
  }

  std::shared_ptr<const Backbone> backbone_ = tiny_backbone();
  std::vector<EncodedExample> examples_ = some_examples(8);
};

TEST_F(Loss, IsTheMeanOverLabelTokens) {
  const auto plan = prompt_plan(*backbone_);
  double sum = 0;
  std::int64_t tokens = 0;
  for (const auto& example : examples_) {
    Ids shifted = {0};
    shifted.insert(shifted.end(), example.target.begin(), example.target.end() - 1);
    const Tensor log_p = at::log_softmax(logits(*backbone_, plan, {example.input}, {shifted}), -1);
    for (std::size_t t = 0; t < example.target.size(); ++t) sum -= log_p[t][example.target[t]].item<double>();
    tokens += static_cast<std::int64_t>(example.target.size());
  }
  EXPECT_NEAR(step(plan, still()).first, sum / tokens, 1e-5);
  auto config = still();
  config.loss = LossNormalisation::sum;
  EXPECT_NEAR(step(plan, config).first, sum, 1e-4);
}

TEST_F(Loss, AccumulationEqualsTheBigBatch) {
  const auto plan = prompt_plan(*backbone_);
  const auto [loss, gradient] = step(plan, still());
  for (const std::size_t parts : {2, 4, 8}) {
    const auto [part_loss, part_gradient] = step(plan, still(), parts);
    EXPECT_NEAR(loss, part_loss, 1e-5);
    EXPECT_LE(difference(gradient, part_gradient), 1e-5);
  }
}

TEST_F(Loss, ChunksOfLogitsChangeNothing) {
  auto config = still();
  config.z_loss = 1e-2;
  const auto plan = prompt_plan(*backbone_);
  const auto [loss, gradient] = step(plan, config);
  const auto [chunk_loss, chunk_gradient] = step(plan, config, 1, 40 * 4 * 3);  // three rows at a time
  EXPECT_NEAR(loss, chunk_loss, 1e-5);
  EXPECT_LE(difference(gradient, chunk_gradient), 1e-5);
  EXPECT_GT(gradient.abs().max().item<double>(), 1e-3);
}

TEST_F(Loss, ZLossAddsTheSquaredNormaliser) {
  const auto plan = prompt_plan(*backbone_);
  auto config = still();
  const double plain = step(plan, config).first;
  config.z_loss = 0.5;
  const double half = step(plan, config).first;
  config.z_loss = 1;
  EXPECT_GT(half, plain);
  EXPECT_NEAR(step(plan, config).first - plain, 2 * (half - plain), 1e-4);
}

TEST_F(Loss, DropoutFollowsItsSeed) {
  const auto plan = prompt_plan(*backbone_);
  TrainConfig config;
  config.dropout = 0.3;
  EXPECT_EQ(step(plan, config).first, step(plan, config).first);
  EXPECT_NE(step(plan, config).first, step(plan, still()).first);
}

struct Twice final : LossHook {
  Tensor apply(const LossCall& call) const override {
    seen = call.target_lengths.sum().item<std::int64_t>();
    return call.loss * 2 + 5;
  }
  mutable std::int64_t seen = 0;
};

TEST_F(Loss, AHookReplacesItAndCountsOnceHoweverTheStepIsCut) {
  const auto plain = prompt_plan(*backbone_);
  for (const auto normalisation : {LossNormalisation::token_mean, LossNormalisation::sum}) {
    auto config = still();
    config.loss = normalisation;
    const auto hook = std::make_shared<Twice>();
    auto hooked = plan_with(*backbone_, [&](const BackboneSpec& spec, PlanBuilder& builder) {
      const auto prompt =
          builder.parameter(spec.encoder_input(), "prompt", {3, spec.d_model}, init::uniform(-0.5, 0.5));
      builder.claim<Prompt>(spec.encoder_input(), prompt);
      builder.claim(spec.loss(), hook);
    });
    support::initialise(hooked);
    const auto [loss, gradient] = step(plain, config);
    for (const std::size_t parts : {1, 4}) {
      const auto [hook_loss, hook_gradient] = step(hooked, config, parts);
      EXPECT_NEAR(hook_loss, 2 * loss + 5, 1e-3);
      EXPECT_LE(difference(hook_gradient, 2 * gradient), 1e-4);
    }
    EXPECT_EQ(hook->seen, counted_tokens(examples_[6], plain) + counted_tokens(examples_[7], plain));
  }
}

struct TwoCopies final : ReplicaHook {
  std::int64_t replicas() const override { return 2; }
};
// Another prompt for each copy.
struct PromptPerCopy final : InputHook {
  explicit PromptPerCopy(Parameter prompts) : prompts(std::move(prompts)) {}
  Embedded apply(const InputCall& call) const override {
    Embedded out = prepend(call.input(), at::zeros({1, call.embeddings.size(1)}));
    std::vector<Tensor> rows;
    for (std::int64_t s = 0; s < out.layout.sequences(); ++s) {
      rows.push_back(prompts()[out.layout.replicas[s]].unsqueeze(0));
      rows.push_back(out.embeddings.narrow(0, out.layout.offsets[s] + 1, out.layout.lengths[s] - 1));
    }
    return {at::cat(rows), out.layout};
  }
  Parameter prompts;
};

TEST_F(Loss, ReplicasAreAMixtureOfLikelihoods) {
  auto mixture = plan_with(*backbone_, [](const BackboneSpec& spec, PlanBuilder& builder) {
    const auto prompts = builder.parameter(spec.encoder_input(), "prompts", {2, spec.d_model}, init::uniform(-1, 1));
    builder.claim<PromptPerCopy>(spec.encoder_input(), prompts);
    builder.claim<TwoCopies>(spec.replicas());
  });
  support::initialise(mixture);
  auto config = still();
  config.loss = LossNormalisation::sum;
  const auto [loss, gradient] = step(mixture, config);
  double expected = 0;
  for (const auto& example : examples_) {
    double likelihood = 0;
    for (int copy = 0; copy < 2; ++copy) {
      auto single = plan_with(*backbone_, [](const BackboneSpec& spec, PlanBuilder& builder) {
        builder.claim<Prompt>(spec.encoder_input(),
                              builder.parameter(spec.encoder_input(), "p", {1, spec.d_model}, init::zeros()));
      });
      support::initialise(single);
      single.trained().front()->value = mixture.trained().front()->value[copy].unsqueeze(0).detach();
      const auto encoder = backbone_->encode(PackedTokens::of({example.input}), single, RunContext::inference());
      likelihood += std::exp(
          score_targets(*backbone_, encoder, {example.target}, single, RunContext::inference()).item<double>());
    }
    expected -= std::log(likelihood / 2);
  }
  EXPECT_NEAR(loss, expected, 1e-3);
  EXPECT_GT(gradient[0].abs().max().item<double>(), 0);
  EXPECT_GT(gradient[1].abs().max().item<double>(), 0);
}

// Equal parts of a step, of whole examples in their order; an example longer than a part is one alone.
TEST(PartsOfAStep, AreEqualAndHoldEveryExampleOnce) {
  const auto parts_with = [](const std::vector<std::size_t>& lengths, std::int64_t most, std::int64_t copies) {
    std::vector<EncodedExample> examples(lengths.size());
    ExampleBatch batch;
    batch.copies = copies;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      examples[i].input.assign(lengths[i], 5);
      batch.examples.push_back(&examples[i]);
    }
    std::vector<std::vector<std::int64_t>> found;
    for (const ExampleBatch& part : parts_of(batch, most)) {
      EXPECT_EQ(part.copies, copies);
      found.emplace_back();
      for (const EncodedExample* example : part.examples) found.back().push_back(example - examples.data());
    }
    return found;
  };
  using Parts = std::vector<std::vector<std::int64_t>>;
  EXPECT_EQ(parts_with({8, 8, 8, 8}, 16, 1), (Parts{{0, 1}, {2, 3}}));
  EXPECT_EQ(parts_with({8, 8, 8, 8}, 16, 2), (Parts{{0}, {1}, {2}, {3}}));
  EXPECT_EQ(parts_with({8, 8, 8, 8, 1}, 16, 1), (Parts{{0}, {1, 2}, {3, 4}}));  // not a last part of one token
  EXPECT_EQ(parts_with({3, 60, 3}, 16, 1), (Parts{{0}, {1}, {2}}));
  EXPECT_EQ(parts_with({4, 4}, 16, 1), (Parts{{0, 1}}));
  EXPECT_EQ(parts_with({4, 0}, 2, 1), (Parts{{0, 1}}));
  EXPECT_EQ(parts_with({0}, 16, 1), (Parts{{0}}));
}

struct Classes final : HeadHook {
  explicit Classes(Parameter weight) : weight(std::move(weight)) {}
  Tensor apply(const HeadCall& call) const override {
    return linear(call.hidden.index_select(0, call.layout.last_rows()), weight());
  }
  bool scores_classes() const override { return true; }
  std::vector<std::int64_t> decoder_tokens() const override { return {5, 6}; }
  Parameter weight;
};

TEST_F(Loss, AClassHeadIsScoredOnTheLabel) {
  auto plan = plan_with(*backbone_, [](const BackboneSpec& spec, PlanBuilder& builder) {
    builder.claim<Classes>(spec.head(),
                           builder.parameter(spec.head(), "weight", {2, spec.d_model}, init::uniform(-1, 1)));
  });
  support::initialise(plan);
  double expected = 0;
  for (const auto& example : examples_) {
    const Tensor scores = logits(*backbone_, plan, {example.input}, {{0, 5, 6}});
    expected -= at::log_softmax(scores, -1)[0][example.label].item<double>() / 8;
  }
  EXPECT_NEAR(step(plan, still()).first, expected, 1e-5);
  examples_[3].label = 2;
  EXPECT_THROW(step(plan, still()), ConfigError);
}

}  // namespace
}  // namespace peftbench::loss_test
