#include "eval/evaluator.h"
#include "support/layers.h"

#include "backbone/generation.h"
#include "eval/likelihood.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

namespace peftbench::evaluator_test {

using namespace layers;

namespace {

using namespace support;

// A letter is an id: 'a' is 10.
TextCodec letters() {
  return {[](const std::string& text) {
            Ids ids;
            for (const char c : text) ids.push_back(c - 'a' + 10);
            return ids;
          },
          [](const Ids& ids) {
            std::string text;
            for (const auto id : ids) {
              if (id == 1) break;
              text += static_cast<char>(id - 10 + 'a');
            }
            return text;
          },
          0};
}

class EvaluatorTest : public ::testing::Test {
 protected:
  EvaluatorTest() {
    task_.name = "letters";
    task_.labels = {"a", "b", "cd"};
    task_.metrics = {"accuracy", "macro_f1"};
    task_.max_target_tokens = 3;
    for (int i = 0; i < 11; ++i) {
      const int label = i % 3;
      EncodedExample example;
      example.input = some_ids(3 + i % 4, i);
      example.input.push_back(1);
      example.target = letters().encode(task_.labels[label]);
      example.target.push_back(1);
      example.label = label;
      examples_.push_back(example);
      texts_.push_back({{}, task_.labels[label], label});
    }
  }
  Evaluator evaluator(EvaluationConfig config = {}, EncoderCache* cache = nullptr) {
    return Evaluator(*backbone_, letters(), task_, config, 0, cache);
  }

  std::shared_ptr<const Backbone> backbone_ = tiny_backbone();
  TaskConfig task_;
  std::vector<EncodedExample> examples_;
  std::vector<TextExample> texts_;
};

// A head that writes what it is told: for each copy of an example one letter, whatever the input.
struct Says final : HeadHook {
  explicit Says(std::string letters) : letters(std::move(letters)) {}
  Tensor apply(const HeadCall& call) const override {
    const Tensor logits = at::full({call.hidden.size(0), 40}, -5.0);
    for (std::int64_t s = 0; s < call.layout.sequences(); ++s) {
      logits.narrow(0, call.layout.offsets[s], call.layout.lengths[s])
          .select(1, letters.at(call.layout.replicas[s]) - 'a' + 10)
          .fill_(5.0);
    }
    return logits;
  }
  std::string letters;
};
struct Copies final : ReplicaHook {
  explicit Copies(std::vector<double> weights) : weights(std::move(weights)) {}
  std::int64_t replicas() const override { return static_cast<std::int64_t>(weights.size()); }
  std::vector<double> votes() const override { return weights; }
  std::vector<double> weights;
};

TEST_F(EvaluatorTest, AnswersAreWhatTheModelWrites) {
  const auto result = evaluator().evaluate({}, examples_, texts_);
  ASSERT_EQ(result.predictions.size(), 11u);
  std::int64_t illegal = 0;
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    const auto encoder = backbone_->encode(PackedTokens::of({examples_[i].input}), {}, RunContext::inference());
    GenerationOptions options;
    options.max_tokens = 3;
    const auto text = letters().decode(generate(*backbone_, encoder, {}, options)[0]);
    EXPECT_EQ(result.predictions[i].prediction, text);
    EXPECT_EQ(result.predictions[i].index, static_cast<std::int64_t>(i));
    EXPECT_EQ(result.predictions[i].correct, text == texts_[i].target);
    illegal += text != "a" && text != "b" && text != "cd";
  }
  EXPECT_DOUBLE_EQ(result.illegal_rate, static_cast<double>(illegal) / 11);
  EXPECT_EQ(result.metrics[0].name, "accuracy");
  EXPECT_EQ(result.metrics[0].n, 11);
}

TEST_F(EvaluatorTest, TheLossIsTheMeanOverLabelTokens) {
  double sum = 0;
  std::int64_t tokens = 0;
  for (const auto& example : examples_) {
    const auto encoder = backbone_->encode(PackedTokens::of({example.input}), {}, RunContext::inference());
    sum -= score_targets(*backbone_, encoder, {example.target}, {}, RunContext::inference()).item<double>();
    tokens += static_cast<std::int64_t>(example.target.size());
  }
  EvaluationConfig config;
  for (const std::int64_t size : {1, 4, 64}) {
    config.batch_size = size;
    EXPECT_NEAR(evaluator(config).evaluate({}, examples_, texts_).loss.value(), sum / tokens, 1e-5);
  }
}

TEST_F(EvaluatorTest, RankTakesTheLikeliestLabel) {
  for (const auto score : {RankScore::sum, RankScore::mean}) {
    EvaluationConfig config;
    config.mode = EvaluationMode::rank;
    config.rank_score = score;
    config.batch_size = 3;
    const auto result = evaluator(config).evaluate({}, examples_, texts_);
    EXPECT_EQ(result.illegal_rate, 0);
    for (std::size_t i = 0; i < examples_.size(); ++i) {
      const auto encoder = backbone_->encode(PackedTokens::of({examples_[i].input}), {}, RunContext::inference());
      double best = -1e9;
      int label = -1;
      for (int k = 0; k < 3; ++k) {
        Ids ids = letters().encode(task_.labels[k]);
        ids.push_back(1);
        double value = score_targets(*backbone_, encoder, {ids}, {}, RunContext::inference()).item<double>();
        if (score == RankScore::mean) value /= static_cast<double>(ids.size());
        if (value > best) best = value, label = k;
      }
      EXPECT_EQ(result.predictions[i].label, label);
      EXPECT_EQ(result.predictions[i].prediction, task_.labels[label]);
    }
  }
}

TEST_F(EvaluatorTest, CopiesVoteByWeightAndIllegalOnesDoNotCount) {
  task_.max_target_tokens = 1;
  const auto answer = [&](const std::string& says, std::vector<double> weights) {
    auto plan = plan_with(*backbone_, [&](const BackboneSpec& spec, PlanBuilder& builder) {
      builder.claim<Says>(spec.head(), says);
      builder.claim<Copies>(spec.replicas(), weights);
    });
    const auto result = evaluator().evaluate(plan, examples_, texts_, 5);
    EXPECT_EQ(result.predictions.size(), 5u);
    return result.predictions[0].prediction;
  };
  EXPECT_EQ(answer("bba", {1, 1, 1}), "b");
  EXPECT_EQ(answer("bba", {1, 1, 3}), "a");
  EXPECT_EQ(answer("ba", {1, 1}), "a");      // equal weights: the lowest label
  EXPECT_EQ(answer("zza", {1, 1, 1}), "a");  // two illegal answers have no vote
  EXPECT_EQ(answer("zyy", {1, 1, 1}), "y");  // all illegal
  EXPECT_EQ(answer("zy", {1, 1}), "z");      // all illegal and equal: the first copy
}

// For each copy of an example: how much likelier than everything else "a" and "b" are at every step.
struct Leans final : HeadHook {
  explicit Leans(std::vector<std::pair<double, double>> towards) : towards(std::move(towards)) {}
  Tensor apply(const HeadCall& call) const override {
    const Tensor logits = at::zeros({call.hidden.size(0), 40});
    for (std::int64_t s = 0; s < call.layout.sequences(); ++s) {
      const Tensor rows = logits.narrow(0, call.layout.offsets[s], call.layout.lengths[s]);
      rows.select(1, 10).fill_(towards.at(call.layout.replicas[s]).first);
      rows.select(1, 11).fill_(towards.at(call.layout.replicas[s]).second);
    }
    return logits;
  }
  std::vector<std::pair<double, double>> towards;
};
struct LeaningClasses final : HeadHook {
  explicit LeaningClasses(Leans leans) : leans(std::move(leans)) {}
  Tensor apply(const HeadCall& call) const override { return leans.apply(call).narrow(1, 10, 3); }
  bool scores_classes() const override { return true; }
  Leans leans;
};

// Two copies of three are a little for "b" and one is sure of "a": votes say "b", the likelihoods together "a".
TEST_F(EvaluatorTest, WhereLabelsAreScoredCopiesAreAMixture) {
  task_.max_target_tokens = 1;
  const Leans leans({{2, -8}, {0.5, 0.7}, {0.5, 0.7}});
  const auto answer = [&](const std::shared_ptr<HeadHook>& head, EvaluationMode mode, RankScore score) {
    auto plan = plan_with(*backbone_, [&](const BackboneSpec& spec, PlanBuilder& builder) {
      builder.claim(spec.head(), head);
      builder.claim<Copies>(spec.replicas(), std::vector<double>{1, 1, 1});
    });
    EvaluationConfig config;
    config.mode = mode;
    config.rank_score = score;
    const auto result = evaluator(config).evaluate(plan, examples_, texts_, 5);
    EXPECT_EQ(result.predictions.size(), 5u);
    return result.predictions[4].prediction;
  };
  const auto words = std::make_shared<Leans>(leans);
  EXPECT_EQ(answer(words, EvaluationMode::greedy, RankScore::sum), "b");
  EXPECT_EQ(answer(words, EvaluationMode::rank, RankScore::sum), "a");
  EXPECT_EQ(answer(words, EvaluationMode::rank, RankScore::mean), "a");
  EXPECT_EQ(answer(std::make_shared<LeaningClasses>(leans), EvaluationMode::greedy, RankScore::sum), "a");
}

TEST_F(EvaluatorTest, ScoresIllegalAnswersAsWrong) {
  task_.max_target_tokens = 1;
  auto plan = plan_with(*backbone_,
                        [&](const BackboneSpec& spec, PlanBuilder& builder) { builder.claim<Says>(spec.head(), "q"); });
  const auto result = evaluator().evaluate(plan, examples_, texts_);
  EXPECT_EQ(result.illegal_rate, 1);
  EXPECT_EQ(result.metrics[0].value, 0);
}

TEST_F(EvaluatorTest, FreeTextNeedsTheSameText) {
  task_.labels.clear();
  task_.metrics = {"exact_match"};
  task_.max_target_tokens = 1;
  for (auto& text : texts_) text.label = -1;
  auto plan = plan_with(*backbone_,
                        [&](const BackboneSpec& spec, PlanBuilder& builder) { builder.claim<Says>(spec.head(), "b"); });
  const auto result = evaluator().evaluate(plan, examples_, texts_);
  EXPECT_NEAR(result.metrics[0].value, 4.0 / 11, 1e-12);  // every third target is "b"
  EXPECT_EQ(result.illegal_rate, 0);
}

// A plan that always writes this letter, on this task.
struct OneLetter {
  OneLetter(const Backbone& backbone, const std::string& letter)
      : plan(plan_with(backbone, [&](const BackboneSpec& spec, PlanBuilder& builder) {
          builder.claim<Says>(spec.head(), letter);
        })) {}
  CompiledPlan plan;
};

TEST_F(EvaluatorTest, FreeTextIsHeldAgainstAllRightAnswers) {
  task_.labels.clear();
  task_.metrics = {"squad_f1", "squad_em"};
  task_.max_target_tokens = 1;
  for (std::size_t i = 0; i < texts_.size(); ++i) texts_[i] = {{}, "cd", -1, {"cd", i < 5 ? "The B." : "x"}, "g"};
  const auto result = evaluator().evaluate(OneLetter(*backbone_, "b").plan, examples_, texts_);
  EXPECT_NEAR(result.metrics[0].value, 5.0 / 11, 1e-12);
  EXPECT_NEAR(result.metrics[1].value, 5.0 / 11, 1e-12);
  EXPECT_TRUE(result.predictions[0].correct);
  EXPECT_FALSE(result.predictions[5].correct);
  EXPECT_EQ(result.predictions[0].judged, "b");
  EXPECT_EQ(result.predictions[0].references.size(), 2u);
  EXPECT_EQ(result.predictions[0].group, "g");
  EXPECT_FALSE(evaluator().majority(texts_));
}

TEST_F(EvaluatorTest, FreeTextMayHaveLabelsOfItsRows) {
  task_.labels.clear();
  task_.metrics = {"wsc_simple"};
  task_.max_target_tokens = 1;
  for (std::size_t i = 0; i < texts_.size(); ++i) texts_[i] = {{}, i < 6 ? "The b" : "c", i % 2 == 0 ? 1 : 0};
  const auto result = evaluator().evaluate(OneLetter(*backbone_, "b").plan, examples_, texts_);
  EXPECT_NEAR(result.metrics[0].value, 5.0 / 11, 1e-12);  // 3 of 6 referents, and 2 of 5 others
  EXPECT_EQ(result.predictions[1].label, 1);
  EXPECT_EQ(result.predictions[1].target_label, 0);
  EXPECT_FALSE(result.predictions[1].correct);
  const auto baseline = evaluator().majority(texts_);
  ASSERT_TRUE(baseline);
  EXPECT_EQ(baseline->label, "");
  EXPECT_NEAR(baseline->metrics[0].value, 5.0 / 11, 1e-12);
}

TEST_F(EvaluatorTest, WhatIsNoNumberIsIllegalWhereNumbersAreAskedFor) {
  task_.labels.clear();
  task_.metrics = {"mean", "pearson", "spearman"};
  task_.max_target_tokens = 1;
  for (std::size_t i = 0; i < texts_.size(); ++i) texts_[i] = {{}, std::to_string(i), -1};
  const auto result = evaluator().evaluate(OneLetter(*backbone_, "b").plan, examples_, texts_);
  EXPECT_EQ(result.illegal_rate, 1);
  EXPECT_EQ(result.metrics[0].name, "mean");
  EXPECT_EQ(result.metrics[0].value, 0);
}

// S3: a vocabulary that knows small letters alone can write no "B", and "b" does not equal it, in no metric.
TEST_F(EvaluatorTest, AnAnswerAsTheVocabularyWritesItIsNotTheTarget) {
  task_.labels.clear();
  task_.metrics = {"exact_match"};
  task_.max_target_tokens = 1;
  for (auto& text : texts_) text = {{}, "B", -1};
  TextCodec small = letters();
  small.encode = [](const std::string& text) {
    Ids ids;
    for (const char c : text) ids.push_back((c | 0x20) - 'a' + 10);
    return ids;
  };
  const Evaluator evaluator(*backbone_, small, task_, {}, 0);
  const auto result = evaluator.evaluate(OneLetter(*backbone_, "b").plan, examples_, texts_);
  EXPECT_EQ(result.metrics[0].value, 0);
  EXPECT_FALSE(result.predictions[0].correct);
  EXPECT_TRUE(result.predictions[0].references.empty());
}

// S3: one metric's tolerance must not leak into another's value.
TEST_F(EvaluatorTest, AMetricIsTheSameWhateverElseIsListed) {
  task_.labels.clear();
  for (auto& text : texts_) text = {{}, "bd", 1, {"bd", "db"}, "one question"};
  TextCodec lossy = letters();
  lossy.encode = [](const std::string& text) { return letters().encode(text.substr(0, 1)); };
  const std::vector<std::string> names = {"exact_match", "squad_em",  "squad_f1",
                                          "record_em",   "record_f1", "wsc_simple"};
  const auto value = [&](const std::vector<std::string>& metrics, const std::string& name) {
    task_.metrics = metrics;
    const Evaluator evaluator(*backbone_, lossy, task_, {}, 0);
    const Evaluation result = evaluator.evaluate(OneLetter(*backbone_, "b").plan, examples_, texts_);
    for (const MetricValue& metric : result.metrics)
      if (metric.name == name) return metric.value;
    return -1.0;
  };
  for (const std::string& name : names) {
    std::vector<std::string> reversed(names.rbegin(), names.rend());
    EXPECT_EQ(value(names, name), value({name}, name)) << name;
    EXPECT_EQ(value(reversed, name), value({name}, name)) << name;
  }
  EXPECT_EQ(value({"squad_em"}, "squad_em"), 0);
}

struct ClassHead final : HeadHook {
  Tensor apply(const HeadCall& call) const override {
    Tensor scores = at::zeros({call.layout.sequences(), 3});
    scores.select(1, 2).fill_(1);
    return scores;
  }
  bool scores_classes() const override { return true; }
};

TEST_F(EvaluatorTest, AClassHeadChoosesTheLabel) {
  auto plan = plan_with(*backbone_,
                        [&](const BackboneSpec& spec, PlanBuilder& builder) { builder.claim<ClassHead>(spec.head()); });
  const auto result = evaluator().evaluate(plan, examples_, texts_);
  EXPECT_EQ(result.predictions[0].prediction, "cd");
  const double others = std::log(2 + std::exp(1.0));
  EXPECT_NEAR(result.loss.value(), others - 3.0 / 11, 1e-5);
  task_.labels = {"a", "b"};
  EXPECT_THROW(evaluator().evaluate(plan, examples_, texts_), ConfigError);
}

TEST_F(EvaluatorTest, TheCacheIsUsedOnlyWhereTheEncoderIsLeftAlone) {
  EncoderCache cache(*backbone_, 1 << 20);
  const auto with_cache = evaluator({}, &cache);
  const auto plain = evaluator().evaluate({}, examples_, texts_), first = with_cache.evaluate({}, examples_, texts_);
  EXPECT_EQ(cache.counts().misses, 11);
  const auto again = with_cache.evaluate({}, examples_, texts_);
  EXPECT_EQ(cache.counts().hits, 11);
  EXPECT_EQ(first.loss, again.loss);
  EXPECT_NEAR(first.loss.value(), plain.loss.value(), 1e-5);
  struct Zeros final : InputHook {
    Embedded apply(const InputCall& call) const override { return {call.embeddings * 0, call.layout}; }
  };
  auto plan = plan_with(
      *backbone_, [&](const BackboneSpec& spec, PlanBuilder& builder) { builder.claim<Zeros>(spec.encoder_input()); });
  EXPECT_NE(with_cache.evaluate(plan, examples_, texts_).loss, plain.loss);
  EXPECT_EQ(cache.counts().hits, 11);
}

TEST_F(EvaluatorTest, TheMajorityLabelIsThatOfTheScoredSplit) {
  const std::vector<TextExample> split = {{{}, "b", 1}, {{}, "b", 1}, {{}, "a", 0}};
  const auto baseline = evaluator().majority(split);
  ASSERT_TRUE(baseline);
  EXPECT_EQ(baseline->label, "b");
  EXPECT_NEAR(baseline->metrics[0].value, 2.0 / 3, 1e-12);
}

TEST_F(EvaluatorTest, RefusesWhatATaskCannotHave) {
  task_.metrics = {"acuracy"};
  EXPECT_THROW(evaluator(), ConfigError);
  task_.metrics = {"accuracy"};
  task_.labels.clear();
  EXPECT_THROW(evaluator(), ConfigError);
  task_.metrics = {"exact_match"};
  EvaluationConfig config;
  config.mode = EvaluationMode::rank;
  EXPECT_THROW(evaluator(config), ConfigError);
}

}  // namespace
}  // namespace peftbench::evaluator_test
