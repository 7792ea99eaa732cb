// T-Few's losses against sums by hand, one choice at a time, and however a step is cut.
#include "train/choice_losses.h"
#include "support/layers.h"
#include "unit/train/training_fixture.h"

#include <gtest/gtest.h>

#include <ATen/ops/log_softmax.h>

#include <cmath>

namespace peftbench::choice_losses_test {

using namespace layers;

namespace {

using namespace support;

const Choices choices = {{5, 9, 1}, {7, 1}, {5, 11, 30, 1}};

// Lets the prompt through and counts the sequences that it was asked for.
struct CountedPrompt final : InputHook {
  CountedPrompt(Parameter prompt, std::int64_t* sequences) : prompt(std::move(prompt)), sequences(sequences) {}
  Embedded apply(const InputCall& call) const override {
    *sequences += call.layout.sequences();
    return prepend(call.input(), prompt());
  }
  Parameter prompt;
  std::int64_t* sequences;
};

class ChoiceLosses : public ::testing::Test {
 protected:
  ChoiceLosses() {
    for (std::size_t i = 0; i < examples_.size(); ++i) {
      examples_[i].label = static_cast<int>(i % choices.size());
      examples_[i].target = choices[i % choices.size()];
    }
  }

  std::pair<double, Tensor> step(const CompiledPlan& plan, const TrainConfig& config, std::size_t parts = 1,
                                 std::int64_t logit_bytes = most_logit_bytes) {
    StepTotals totals{0, static_cast<std::int64_t>(parts)};
    for (const auto& example : examples_) count(example, plan, &choices, totals);
    for (const auto& slot : plan.trained()) slot->value.mutable_grad() = Tensor();
    const std::size_t each = examples_.size() / parts;
    double loss = 0;
    for (std::size_t m = 0; m < parts; ++m) {
      ExampleBatch batch;
      batch.choices = &choices;
      for (std::size_t i = 0; i < each; ++i) batch.examples.push_back(&examples_[m * each + i]);
      loss += add_gradients(config, *backbone_, plan, batch, totals, 1, nullptr, logit_bytes);
    }
    return {loss, plan.trained().front()->value.grad().clone()};
  }

  static TrainConfig weighted(double unlikelihood, double length_normalised) {
    TrainConfig config;
    config.dropout = 0;
    config.unlikelihood_weight = unlikelihood;
    config.length_normalised_weight = length_normalised;
    return config;
  }

  // The three losses as sums, and what they are means over.
  struct Sums {
    double likelihood = 0, unlikelihood = 0, length_normalised = 0, z = 0;
    double right_tokens = 0, wrong_tokens = 0;
  };
  Sums by_hand(const CompiledPlan& plan) const {
    Sums sums;
    for (const auto& example : examples_) {
      std::vector<double> scores;
      for (std::size_t c = 0; c < choices.size(); ++c) {
        Ids shifted = {0};
        shifted.insert(shifted.end(), choices[c].begin(), choices[c].end() - 1);
        const Tensor raw = logits(*backbone_, plan, {example.input}, {shifted}), log_p = at::log_softmax(raw, -1);
        const bool right = static_cast<int>(c) == example.label;
        double total = 0;
        for (std::size_t t = 0; t < choices[c].size(); ++t) {
          const double of_token = log_p[static_cast<int64_t>(t)][choices[c][t]].item<double>();
          total += of_token;
          if (!right) sums.unlikelihood -= std::log(1 - std::exp(of_token) + 1e-2);
          if (right) sums.z += std::pow(raw[static_cast<int64_t>(t)].logsumexp(0).item<double>(), 2);
        }
        const auto tokens = static_cast<double>(choices[c].size());
        (right ? sums.right_tokens : sums.wrong_tokens) += tokens;
        if (right) sums.likelihood -= total;
        scores.push_back(total / tokens);
      }
      double normaliser = 0;
      for (const double score : scores) normaliser += std::exp(score);
      sums.length_normalised += std::log(normaliser) - scores[static_cast<std::size_t>(example.label)];
    }
    return sums;
  }

  std::shared_ptr<const Backbone> backbone_ = tiny_backbone();
  std::vector<EncodedExample> examples_ = some_examples(8);
};

TEST_F(ChoiceLosses, EqualTheFormulasByHand) {
  const auto plan = prompt_plan(*backbone_);
  const Sums sums = by_hand(plan);
  const double plain = sums.likelihood / sums.right_tokens, unlikely = sums.unlikelihood / sums.wrong_tokens;
  const double normalised = sums.length_normalised / 8;
  EXPECT_GT(unlikely, 1e-3);
  EXPECT_NEAR(step(plan, weighted(0, 0)).first, plain, 1e-5);
  EXPECT_NEAR(step(plan, weighted(1, 0)).first, plain + unlikely, 1e-5);
  EXPECT_NEAR(step(plan, weighted(0, 1)).first, plain + normalised, 1e-5);
  EXPECT_NEAR(step(plan, weighted(0.25, 3)).first, plain + 0.25 * unlikely + 3 * normalised, 1e-5);

  auto config = weighted(0.25, 3);
  config.loss = LossNormalisation::sum;
  config.z_loss = 1e-2;
  EXPECT_NEAR(step(plan, config).first,
              sums.likelihood + 1e-2 * sums.z + 0.25 * sums.unlikelihood + 3 * sums.length_normalised, 1e-3);
}

TEST_F(ChoiceLosses, GradientIsThatOfTheLoss) {
  const auto plan = prompt_plan(*backbone_);
  const auto config = weighted(1, 1);
  const Tensor gradient = step(plan, config).second;
  const auto slot = plan.trained().front();
  for (const int64_t column : {0, 7, 19}) {
    const double change = 1e-3;
    const auto at = [&](double by) {
      const Tensor kept = slot->value.detach().clone();
      {
        at::NoGradGuard no_grad;
        slot->value[1][column] += by;
      }
      const double loss = step(plan, config).first;
      at::NoGradGuard no_grad;
      slot->value.copy_(kept);
      return loss;
    };
    EXPECT_NEAR((at(change) - at(-change)) / (2 * change), gradient[1][column].item<double>(), 1e-2);
  }
}

TEST_F(ChoiceLosses, AccumulationAndChunksChangeNothing) {
  const auto plan = prompt_plan(*backbone_);
  for (const auto normalisation : {LossNormalisation::token_mean, LossNormalisation::sum}) {
    auto config = weighted(0.7, 1.3);
    config.loss = normalisation;
    config.z_loss = 1e-2;
    const auto [loss, gradient] = step(plan, config);
    EXPECT_GT(gradient.abs().max().item<double>(), 1e-3);
    const std::int64_t one_example = 9 * 40 * 4, least = 1;
    for (const auto& [parts, bytes] : {std::pair<std::size_t, std::int64_t>{2, most_logit_bytes},
                                       {8, most_logit_bytes},
                                       {1, 3 * one_example},
                                       {1, least},
                                       {2, one_example}}) {
      const auto [part_loss, part_gradient] = step(plan, config, parts, bytes);
      EXPECT_NEAR(loss, part_loss, 1e-5 * std::max(1.0, loss)) << parts << " " << bytes;
      EXPECT_LE(difference(gradient, part_gradient), 1e-5 * std::max(1.0, gradient.abs().max().item<double>()));
    }
  }
}

TEST_F(ChoiceLosses, EncodeAnExampleOnce) {
  std::int64_t sequences = 0;
  auto plan = plan_with(*backbone_, [&](const BackboneSpec& spec, PlanBuilder& builder) {
    const auto prompt = builder.parameter(spec.encoder_input(), "prompt", {3, spec.d_model}, init::uniform(-0.5, 0.5));
    builder.claim<CountedPrompt>(spec.encoder_input(), prompt, &sequences);
  });
  support::initialise(plan);
  step(plan, weighted(1, 1));
  EXPECT_EQ(sequences, 8);
}

TEST_F(ChoiceLosses, TrainingLowersThem) {
  auto plan = prompt_plan(*backbone_);
  auto config = small_config();
  config.dropout = 0;
  config.unlikelihood_weight = config.length_normalised_weight = 1;
  config.steps = 40;
  config.batch_size = 8;
  const ExamplesInMemory list(examples_);
  TrainingJob job{*backbone_, plan, list, {}, {}};
  job.choices = choices;
  const Sums before = by_hand(plan);
  train::train(config, job);
  const Sums after = by_hand(plan);
  EXPECT_LT(after.length_normalised, 0.8 * before.length_normalised);
  EXPECT_LT(after.likelihood, before.likelihood);
}

TEST_F(ChoiceLosses, SayWhatTheyCannotDo) {
  auto plan = prompt_plan(*backbone_);
  const auto message = [&](const Choices& given, const CompiledPlan& of) -> std::string {
    try {
      check_choices(of, given, ExamplesInMemory(examples_));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message(choices, plan), "accepted");
  EXPECT_NE(message({}, plan).find("free-text"), std::string::npos);
  EXPECT_NE(message({{5, 1}}, plan).find("one label word"), std::string::npos);
  examples_[2].target.pop_back();
  EXPECT_NE(message(choices, plan).find("max_target_tokens"), std::string::npos);
  examples_[2].label = -1;
  EXPECT_NE(message(choices, plan), "accepted");
}

TEST_F(ChoiceLosses, RefuseHeadsThatScoreClassesAndReplicas) {
  struct Classes final : HeadHook {
    Tensor apply(const HeadCall& call) const override { return call.hidden.narrow(1, 0, 2); }
    bool scores_classes() const override { return true; }
  };
  struct Copies final : ReplicaHook {
    std::int64_t replicas() const override { return 2; }
  };
  const auto heads =
      plan_with(*backbone_, [](const BackboneSpec& spec, PlanBuilder& b) { b.claim<Classes>(spec.head()); });
  const auto copies =
      plan_with(*backbone_, [](const BackboneSpec& spec, PlanBuilder& b) { b.claim<Copies>(spec.replicas()); });
  EXPECT_THROW(check_choices(heads, choices, ExamplesInMemory(examples_)), ConfigError);
  EXPECT_THROW(check_choices(copies, choices, ExamplesInMemory(examples_)), ConfigError);
}

}  // namespace
}  // namespace peftbench::choice_losses_test
