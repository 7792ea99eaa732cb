// Answers of a method on another task than its own, and targets that begin with a sentinel.
#include "backbone/generation.h"
#include "eval/evaluator.h"
#include "eval/label_map.h"
#include "eval/likelihood.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace peftbench::transfer_test {

using namespace layers;

namespace {

using namespace support;

TEST(LabelMapTest, ReplacesPartsOfAnAnswer) {
  const LabelMap to_mrpc({"duplicate:equivalent"});
  EXPECT_EQ(to_mrpc.apply("duplicate"), "equivalent");
  EXPECT_EQ(to_mrpc.apply("not_duplicate"), "not_equivalent");
  EXPECT_EQ(to_mrpc.apply("neither"), "neither");
  EXPECT_EQ(to_mrpc.apply(""), "");
  EXPECT_EQ(LabelMap({"equivalent:duplicate"}).apply("not_equivalent"), "not_duplicate");
}

TEST(LabelMapTest, TheLongestPartIsReplacedOnce) {
  EXPECT_EQ(LabelMap({"a:b", "b:a"}).apply("abba"), "baab");
  EXPECT_EQ(LabelMap({"yes:no", "yes_sir:aye"}).apply("yes_sir yes"), "aye no");
  EXPECT_EQ(LabelMap({"neutral:not_entailment", "contradiction:not_entailment"}).apply("contradiction"),
            "not_entailment");
  EXPECT_EQ(LabelMap({"maybe:"}).apply("maybe yes"), " yes");
  EXPECT_TRUE(LabelMap().empty());
}

TEST(LabelMapTest, RefusesWhatMapsNothing) {
  for (const char* pair : {"", "duplicate", ":equivalent", "a:b:c"})
    EXPECT_THROW(LabelMap({std::string(pair)}), ConfigError) << pair;
  EXPECT_THROW(LabelMap({"a:b", "a:c"}), ConfigError);
}

constexpr std::int64_t sentinel_id = 39;

// A letter is an id: 'a' is 10. Id 39 is the first sentinel.
TextCodec letters() {
  return {[](const std::string& text) {
            if (text == "<extra_id_0>") return Ids{sentinel_id};
            Ids ids;
            for (const char c : text) ids.push_back(c - 'a' + 10);
            return ids;
          },
          [](const Ids& ids) {
            std::string text;
            for (const auto id : ids) {
              if (id == 1) break;
              text += id == sentinel_id ? "<extra_id_0> " : std::string(1, static_cast<char>(id - 10 + 'a'));
            }
            return text;
          },
          0};
}

// The decoder writes these ids, one after another, whatever it has read.
struct Writes final : HeadHook {
  explicit Writes(Ids what) : ids(std::move(what)) {}
  Tensor apply(const HeadCall& call) const override {
    const Tensor logits = at::full({call.hidden.size(0), 40}, -5.0);
    for (std::int64_t s = 0; s < call.layout.sequences(); ++s) {
      for (std::int64_t t = 0; t < call.layout.lengths[s]; ++t) {
        const std::size_t place = call.layout.lengths[s] > 1 ? static_cast<std::size_t>(t) : step;
        logits.select(0, call.layout.offsets[s] + t).select(0, ids.at(std::min(place, ids.size() - 1))).fill_(5.0);
      }
    }
    if (call.hidden.size(0) == call.layout.sequences()) ++step;  // generation asks for a token at a time
    return logits;
  }
  Ids ids;
  mutable std::size_t step = 0;
};

class TransferTest : public ::testing::Test {
 protected:
  TransferTest() {
    task_.name = "letters";
    task_.labels = {"a", "b", "cd"};
    task_.metrics = {"accuracy"};
    task_.max_target_tokens = 4;
    for (int i = 0; i < 6; ++i) {
      EncodedExample example;
      example.input = some_ids(3 + i % 4, i);
      example.input.push_back(1);
      example.label = i % 3;
      example.target = letters().encode(task_.labels[static_cast<std::size_t>(i % 3)]);
      example.target.push_back(1);
      texts_.push_back({{}, task_.labels[static_cast<std::size_t>(i % 3)], i % 3});
      examples_.push_back(std::move(example));
    }
  }
  Evaluation evaluate(const CompiledPlan& plan, EvaluationMode mode, Transfer transfer = {}) const {
    const Evaluator evaluator(*backbone_, letters(), task_, {.mode = mode, .batch_size = 6}, 0, nullptr,
                              std::move(transfer));
    return evaluator.evaluate(plan, examples_, texts_);
  }
  CompiledPlan writing(Ids ids) const {
    return plan_with(*backbone_, [&](const BackboneSpec& spec, PlanBuilder& builder) {
      builder.claim<Writes>(spec.head(), std::move(ids));
    });
  }
  // The place of the likeliest of these ids for an example.
  std::size_t likeliest(const EncodedExample& example, const std::vector<Ids>& choices) const {
    const auto encoder = backbone_->encode(PackedTokens::of({example.input}), {}, RunContext::inference());
    std::vector<double> scores;
    for (const Ids& ids : choices)
      scores.push_back(score_targets(*backbone_, encoder, {ids}, {}, RunContext::inference()).item<double>());
    return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
  }

  std::shared_ptr<const Backbone> backbone_ = tiny_backbone();
  TaskConfig task_;
  std::vector<EncodedExample> examples_;
  std::vector<TextExample> texts_;
};

TEST_F(TransferTest, ASentinelBeforeTheAnswerIsStripped) {
  task_.sentinel = true;
  const Evaluation with = evaluate(writing({sentinel_id, 12, 13, 1}), EvaluationMode::greedy);
  for (const Prediction& p : with.predictions) EXPECT_EQ(p.prediction, "cd");
  EXPECT_NEAR(with.metrics[0].value, 2.0 / 6, 1e-12);
  EXPECT_EQ(with.illegal_rate, 0);
  EXPECT_EQ(evaluate(writing({11, 1}), EvaluationMode::greedy).predictions[0].prediction, "b");  // without one
  EXPECT_EQ(evaluate(writing({sentinel_id, 1}), EvaluationMode::greedy).illegal_rate, 1);        // nothing follows
}

// S26: accuracy is of mapped answers, and so is the loss.
TEST_F(TransferTest, TheLossIsOfTheLearntWordsThatWereAskedFor) {
  const CompiledPlan plan{};
  const auto loss = [&](const std::vector<std::string>& map, const std::vector<std::string>& learnt) {
    return evaluate(plan, EvaluationMode::rank, {LabelMap(map), learnt}).loss;
  };
  const std::optional<double> mapped = loss({"e:a", "f:b", "gh:cd"}, {"e", "f", "gh"});
  const double own = evaluate(plan, EvaluationMode::rank).loss.value();
  const std::vector<EncodedExample> before = examples_;
  const std::vector<std::string> words = {"e", "f", "gh"};
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    examples_[i].target = letters().encode(words[i % 3]);
    examples_[i].target.push_back(1);
  }
  EXPECT_NEAR(mapped.value(), evaluate(plan, EvaluationMode::rank).loss.value(), 1e-6);
  examples_ = before;
  EXPECT_GT(std::abs(mapped.value() - own), 1e-3);
  EXPECT_FALSE(loss({"e:a", "f:b", "gh:b"}, {"e", "f", "gh"}));               // none becomes cd
  EXPECT_FALSE(loss({"e:a", "f:b", "gh:cd", "i:a"}, {"e", "f", "gh", "i"}));  // two become a
  EXPECT_FALSE(loss({"e:a"}, {}));                                            // free text was learnt
  EXPECT_NEAR(loss({}, {"e", "f", "gh"}).value(), own, 1e-6);                 // the task's own words are asked for
}

// S2: a learnt word is mapped in the form in which the vocabulary writes it too.
TEST_F(TransferTest, ALearntWordIsMappedAsTheVocabularyWritesIt) {
  TextCodec small = letters();
  small.encode = [](const std::string& text) {
    Ids ids;
    for (const char c : text) ids.push_back((c | 0x20) - 'a' + 10);
    return ids;
  };
  const Evaluator evaluator(*backbone_, small, task_, {.mode = EvaluationMode::greedy, .batch_size = 6}, 0, nullptr,
                            {LabelMap({"B:a", "C:b"}), {"B", "C"}});
  const auto answer = [&](Ids ids) {
    return evaluator.evaluate(writing(std::move(ids)), examples_, texts_).predictions[0].prediction;
  };
  EXPECT_EQ(answer({11, 1}), "a");
  EXPECT_EQ(answer({12, 1}), "b");
  EXPECT_EQ(answer({13, 1}), "d");  // no learnt word
}

TEST_F(TransferTest, ASentinelTakesNoTokenOfTheAnswer) {
  task_.max_target_tokens = 2;
  EXPECT_EQ(evaluate(writing({12, 13, 12, 1}), EvaluationMode::greedy).predictions[0].prediction, "cd");
  task_.sentinel = true;
  EXPECT_EQ(evaluate(writing({sentinel_id, 12, 13, 12, 1}), EvaluationMode::greedy).predictions[0].prediction, "cd");
}

TEST_F(TransferTest, ATaskWithoutSentinelsKeepsThem) {
  const Evaluation result = evaluate(writing({sentinel_id, 11, 1}), EvaluationMode::greedy);
  EXPECT_EQ(result.predictions[0].prediction, "<extra_id_0> b");
  EXPECT_EQ(result.illegal_rate, 1);
}

TEST_F(TransferTest, RankedLabelWordsBeginWithTheSentinel) {
  task_.sentinel = true;
  const Evaluation result = evaluate({}, EvaluationMode::rank);
  for (std::size_t i = 0; i < examples_.size(); ++i)
    EXPECT_EQ(static_cast<std::size_t>(result.predictions[i].label),
              likeliest(examples_[i], {{sentinel_id, 10, 1}, {sentinel_id, 11, 1}, {sentinel_id, 12, 13, 1}}));
}

TEST_F(TransferTest, WrittenAnswersAreMappedBeforeTheyAreLookedUp) {
  const Evaluation mapped =
      evaluate(writing({24, 25, 1}), EvaluationMode::greedy, {LabelMap({"op:cd"}), {"a", "op"}});  // writes "op"
  EXPECT_EQ(mapped.predictions[0].prediction, "cd");
  EXPECT_EQ(mapped.predictions[0].label, 2);
  EXPECT_EQ(mapped.illegal_rate, 0);
  EXPECT_EQ(evaluate(writing({24, 25, 1}), EvaluationMode::greedy).illegal_rate, 1);
}

TEST_F(TransferTest, RankingIsOverTheWordsThatWereLearnt) {
  const Evaluation result =
      evaluate({}, EvaluationMode::rank, {LabelMap({"e:a", "fg:b", "h:cd", "i:a"}), {"e", "fg", "h", "i"}});
  const std::vector<int> to = {0, 1, 2, 0};
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    const std::size_t winner = likeliest(examples_[i], {{14, 1}, {15, 16, 1}, {17, 1}, {18, 1}});
    EXPECT_EQ(result.predictions[i].label, to[winner]);
    EXPECT_EQ(result.predictions[i].prediction, task_.labels[static_cast<std::size_t>(to[winner])]);
  }
}

TEST_F(TransferTest, WithoutAMapTheTasksOwnWordsAreRanked) {
  const Evaluation own = evaluate({}, EvaluationMode::rank),
                   other = evaluate({}, EvaluationMode::rank, {{}, {"e", "fg"}});
  for (std::size_t i = 0; i < examples_.size(); ++i) EXPECT_EQ(own.predictions[i].label, other.predictions[i].label);
}

struct SecondClass final : HeadHook {
  Tensor apply(const HeadCall& call) const override {
    Tensor scores = at::zeros({call.layout.sequences(), 4});
    scores.select(1, 1).fill_(1);
    return scores;
  }
  bool scores_classes() const override { return true; }
};

TEST_F(TransferTest, AHeadsClassesAreThoseOfItsOwnTask) {
  const CompiledPlan plan = plan_with(
      *backbone_, [&](const BackboneSpec& spec, PlanBuilder& builder) { builder.claim<SecondClass>(spec.head()); });
  const std::vector<std::string> learnt = {"x", "cd", "y", "z"};
  EXPECT_EQ(evaluate(plan, EvaluationMode::greedy, {{}, learnt}).predictions[0].label, 2);
  EXPECT_EQ(evaluate(plan, EvaluationMode::greedy, {LabelMap({"cd:b"}), learnt}).predictions[0].label, 1);
  EXPECT_EQ(evaluate(plan, EvaluationMode::greedy, {LabelMap({"cd:no"}), learnt}).illegal_rate, 1);
}

}  // namespace
}  // namespace peftbench::transfer_test
