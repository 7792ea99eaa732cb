#include "eval/ensemble.h"
#include "support/layers.h"

#include "support/forward.h"
#include "support/tiny_backbone.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace peftbench::ensemble_test {

using namespace layers;

namespace {

using namespace support;

const std::vector<std::string> words = {"a", "b", "cd"};

Answer vote_of(const std::vector<Answer>& answers, Tie tie, std::vector<double> weights = {}) {
  if (weights.empty()) weights.assign(answers.size(), 1.0);
  return majority_vote(answers, weights, words, tie);
}

TEST(Voting, TheMajorityWins) {
  EXPECT_EQ(vote_of({{"a", 0}, {"cd", 2}, {"cd", 2}}, Tie::first_voter).label, 2);
  EXPECT_EQ(vote_of({{"a", 0}, {"cd", 2}, {"cd", 2}}, Tie::first_voter).text, "cd");
  EXPECT_EQ(vote_of({{"a", 0}, {"cd", 2}, {"cd", 2}}, Tie::first_voter, {3, 1, 1}).label, 0);
}

TEST(Voting, ATieGoesToTheFirstVoterOrTheLowestLabel) {
  EXPECT_EQ(vote_of({{"cd", 2}, {"a", 0}}, Tie::first_voter).label, 2);
  EXPECT_EQ(vote_of({{"cd", 2}, {"a", 0}}, Tie::lowest_label).label, 0);
  // The first voter is not among the tied.
  EXPECT_EQ(vote_of({{"a", 0}, {"cd", 2}, {"b", 1}, {"b", 1}, {"cd", 2}}, Tie::first_voter).label, 2);
  EXPECT_EQ(vote_of({{"a", 0}, {"cd", 2}, {"b", 1}, {"b", 1}, {"cd", 2}}, Tie::lowest_label).label, 1);
}

TEST(Voting, IllegalAnswersVoteOnlyAmongThemselves) {
  EXPECT_EQ(vote_of({{"x", -1}, {"x", -1}, {"b", 1}}, Tie::first_voter).label, 1);
  const Answer none = vote_of({{"y", -1}, {"x", -1}, {"x", -1}}, Tie::first_voter);
  EXPECT_EQ(none.label, -1);
  EXPECT_EQ(none.text, "x");
  EXPECT_EQ(vote_of({{"y", -1}, {"x", -1}}, Tie::lowest_label).text, "y");
}

TEST(Voting, EntropyIsInBits) {
  EXPECT_EQ(vote_entropy({{"a", 0}, {"a", 0}, {"A", 0}}), 0);  // one label, however it is written
  EXPECT_DOUBLE_EQ(vote_entropy({{"a", 0}, {"b", 1}}), 1);
  EXPECT_DOUBLE_EQ(vote_entropy({{"a", 0}, {"b", 1}, {"x", -1}, {"y", -1}}), 2);
  const double fifth = 0.2, most = 0.8;
  EXPECT_DOUBLE_EQ(vote_entropy({{"a", 0}, {"a", 0}, {"b", 1}, {"a", 0}, {"a", 0}}),
                   -fifth * std::log2(fifth) - most * std::log2(most));
}

// A letter is an id: 'a' is 10.
TextCodec letters() {
  return {[](const std::string& text) {
            Ids ids;
            for (const char c : text) ids.push_back(c - 'a' + 10);
            return ids;
          },
          [](const Ids& ids) {
            std::string text;
            for (const auto id : ids) text += static_cast<char>(id - 10 + 'a');
            return text;
          },
          0};
}

struct Prompt final : InputHook {
  explicit Prompt(Tensor rows) : rows(std::move(rows)) {}
  Embedded apply(const InputCall& call) const override { return prepend(call.input(), rows); }
  Tensor rows;
};

// Prompts of unequal lengths, which answer the same questions differently.
class EnsembleTest : public ::testing::Test {
 protected:
  EnsembleTest() {
    task_.name = "letters";
    for (char c = 'a'; c <= 'z'; ++c) task_.labels.emplace_back(1, c);
    task_.metrics = {"accuracy"};
    task_.max_target_tokens = 2;
    for (int i = 0; i < 23; ++i) {
      EncodedExample example;
      example.input = some_ids(3 + i % 5, i);
      example.input.push_back(1);
      example.target = {10 + i, 1};
      example.label = i;
      examples_.push_back(example);
      texts_.push_back({{}, task_.labels[static_cast<std::size_t>(i)], i});
    }
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(7);
    for (int member = 0; member < 5; ++member) {
      const Tensor rows = at::randn({2 + member, 20}, generator) * 2;
      plans_.push_back(plan_with(*backbone_, [&](const BackboneSpec& spec, PlanBuilder& builder) {
        builder.claim<Prompt>(spec.encoder_input(), rows);
      }));
    }
  }
  EnsembleEvaluation ensemble(const Evaluator& evaluator, std::int64_t most_sequences) const {
    const std::vector<const std::vector<EncodedExample>*> encoded(plans_.size(), &examples_);
    const std::vector<const Evaluator*> readers(plans_.size(), &evaluator);
    return evaluate_ensemble(readers, CompiledPlan::stack(plans_), {encoded, texts_}, most_sequences);
  }

  std::shared_ptr<const Backbone> backbone_ = tiny_backbone();
  TaskConfig task_;
  std::vector<EncodedExample> examples_;
  std::vector<TextExample> texts_;
  std::vector<CompiledPlan> plans_;
};

TEST_F(EnsembleTest, EqualsTheMembersEachOnItsOwnAndTheirVotes) {
  for (const EvaluationMode mode : {EvaluationMode::greedy, EvaluationMode::rank}) {
    const Evaluator evaluator(*backbone_, letters(), task_, {.mode = mode, .batch_size = 7}, 0);
    const EnsembleEvaluation together = ensemble(evaluator, 20);  // four examples a batch
    ASSERT_EQ(together.members.size(), 5u);
    std::vector<Evaluation> alone;
    for (const CompiledPlan& plan : plans_) alone.push_back(evaluator.evaluate(plan, examples_, texts_));
    int disputed = 0;
    for (std::size_t i = 0; i < examples_.size(); ++i) {
      std::vector<Answer> ballot;
      for (std::size_t m = 0; m < alone.size(); ++m) {
        const Prediction& own = alone[m].predictions[i];
        EXPECT_EQ(together.members[m].predictions[i].prediction, own.prediction);
        EXPECT_EQ(together.members[m].predictions[i].correct, own.correct);
        ballot.push_back({own.prediction, own.label});
      }
      const Answer majority = majority_vote(ballot, std::vector<double>(5, 1.0), task_.labels, Tie::first_voter);
      EXPECT_EQ(together.votes.predictions[i].prediction, majority.text) << i;
      EXPECT_EQ(together.entropy[i], vote_entropy(ballot));
      disputed += together.entropy[i] > 0;
    }
    EXPECT_GT(disputed, 5) << "the prompts agree too much for this test";
    for (std::size_t m = 0; m < alone.size(); ++m)
      EXPECT_EQ(together.members[m].metrics[0].value, alone[m].metrics[0].value);
  }
}

// Members that learnt other words, or in another order, are read as each would be on its own. S23
TEST_F(EnsembleTest, EachMemberIsReadByItsOwnEvaluator) {
  std::vector<std::string> turned = task_.labels, few = {"c", "a", "b"};
  std::reverse(turned.begin(), turned.end());
  const std::vector<Transfer> transfers = {
      {}, {LabelMap({"a:b", "b:a"}), turned}, {LabelMap({"c:z"}), few}, {LabelMap({"a:a"}), turned}, {}};
  for (const EvaluationMode mode : {EvaluationMode::greedy, EvaluationMode::rank}) {
    std::vector<std::unique_ptr<Evaluator>> own;
    std::vector<const Evaluator*> readers;
    for (std::size_t m = 0; m < plans_.size(); ++m) {
      const EvaluationConfig config{.mode = mode, .rank_score = m % 2 ? RankScore::mean : RankScore::sum};
      own.push_back(std::make_unique<Evaluator>(*backbone_, letters(), task_, config, m, nullptr, transfers[m]));
      readers.push_back(own.back().get());
    }
    const std::vector<const std::vector<EncodedExample>*> encoded(plans_.size(), &examples_);
    const EnsembleEvaluation together = evaluate_ensemble(readers, CompiledPlan::stack(plans_), {encoded, texts_}, 20);
    bool mapped = false;
    for (std::size_t m = 0; m < plans_.size(); ++m) {
      const Evaluation alone = own[m]->evaluate(plans_[m], examples_, texts_);
      for (std::size_t i = 0; i < examples_.size(); ++i) {
        EXPECT_EQ(together.members[m].predictions[i].prediction, alone.predictions[i].prediction) << m << " " << i;
        EXPECT_EQ(together.members[m].predictions[i].label, alone.predictions[i].label);
        mapped = mapped || (m == 2 && mode == EvaluationMode::rank && alone.predictions[i].prediction == "z");
      }
      EXPECT_EQ(together.members[m].metrics[0].value, alone.metrics[0].value);
      EXPECT_EQ(together.members[m].metrics[0].low, alone.metrics[0].low);
    }
    EXPECT_TRUE(mode == EvaluationMode::greedy || mapped) << "no answer was mapped, so nothing was tested";
  }
}

TEST_F(EnsembleTest, AnExampleAndItsMembersStayTogetherHoweverSmallTheBatch) {
  const Evaluator evaluator(*backbone_, letters(), task_, {}, 0);
  const EnsembleEvaluation one = ensemble(evaluator, 1), all = ensemble(evaluator, 1000);
  ASSERT_EQ(one.votes.examples, static_cast<std::int64_t>(texts_.size()));
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    EXPECT_EQ(one.votes.predictions[i].prediction, all.votes.predictions[i].prediction);
    EXPECT_EQ(one.entropy[i], all.entropy[i]);
  }
}

}  // namespace
}  // namespace peftbench::ensemble_test
