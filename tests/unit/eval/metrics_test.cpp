#include "eval/metrics.h"
#include "support/layers.h"

#include "core/random.h"

#include <peftbench/error.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace peftbench::metrics_test {

using namespace layers;

namespace {

using Predictions = std::vector<Prediction>;

Prediction labelled(int predicted, int target, const std::string& group = "") {
  Prediction p{0, "", predicted, "", target};
  p.group = group;
  return p;
}
Prediction written(const std::string& answer, const std::string& target, std::vector<std::string> references = {},
                   const std::string& group = "") {
  return {0, answer, -1, target, -1, false, std::move(references), group};
}
MetricValue measured(const std::string& name, const Predictions& predictions, int labels, std::uint64_t seed = 0) {
  return compute_metrics({name}, predictions, labels, seed).front();
}
double value(const std::string& name, const Predictions& predictions, int labels = 0) {
  return measured(name, predictions, labels).value;
}

// 200 labels from a linear congruential formula: x ← 1103515245 x + 12345 mod 2³¹, from x = 12345; for each example
// the target is (x >> 16) mod 3; then, with the next x, b = (x >> 16) mod 10 and the prediction is the target if
// b < 6, −1 if b = 6, else (x >> 20) mod 3. The expected values are scikit-learn 1.9.1's on the same lists:
// accuracy_score(t, p), f1_score(t, p, average='macro', labels=range(3), zero_division=0), matthews_corrcoef(t, p).
std::vector<Prediction> formula_outcomes() {
  std::vector<Prediction> outcomes;
  std::uint64_t x = 12345;
  const auto next = [&] { return x = (1103515245 * x + 12345) % (std::uint64_t{1} << 31); };
  for (int i = 0; i < 200; ++i) {
    const int target = static_cast<int>((next() >> 16) % 3);
    const auto b = (next() >> 16) % 10;
    const int predicted = b < 6 ? target : b == 6 ? -1 : static_cast<int>((x >> 20) % 3);
    outcomes.push_back(labelled(predicted, target));
  }
  return outcomes;
}

TEST(Metrics, EqualScikitLearn) {
  const auto outcomes = formula_outcomes();
  EXPECT_DOUBLE_EQ(measured("accuracy", outcomes, 3).value, 0.685);
  EXPECT_NEAR(measured("macro_f1", outcomes, 3).value, 0.7221948616925223, 1e-12);
  EXPECT_NEAR(measured("macro_f1", outcomes, 4).value, 0.5416461462693918, 1e-12);  // a label that never occurs
  EXPECT_NEAR(measured("matthews", outcomes, 3).value, 0.5591032728370693, 1e-12);
  EXPECT_EQ(measured("macro_f1", outcomes, 3).n, 200);
}

TEST(Metrics, EqualScikitLearnForTwoClasses) {
  auto outcomes = formula_outcomes();
  for (auto& o : outcomes) o = labelled(std::abs(o.label) % 2, o.target_label % 2);
  EXPECT_NEAR(measured("matthews", outcomes, 2).value, 0.5369742570397311, 1e-12);
  EXPECT_NEAR(measured("macro_f1", outcomes, 2).value, 0.7674104124408384, 1e-12);
}

// scipy.stats.binomtest(140, 200).proportion_ci(method='wilson'), and of 0 in 7.
TEST(Metrics, WilsonIntervalEqualsScipys) {
  Predictions predictions(200, Prediction{0, "x", 1, "y", 0});
  for (int i = 0; i < 140; ++i) predictions[i] = {0, "y", 0, "y", 0};
  for (const auto* name : {"accuracy", "exact_match", "squad_em", "record_em"}) {
    const auto metric = measured(name, predictions, 2);
    EXPECT_DOUBLE_EQ(metric.value, 0.7);
    EXPECT_NEAR(metric.low, 0.6332093162728073, 1e-9);
    EXPECT_NEAR(metric.high, 0.759252553176286, 1e-9);
  }
  const auto none = measured("accuracy", Predictions(7, labelled(1, 0)), 2);
  EXPECT_DOUBLE_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.35433043506668743, 1e-9);
}

TEST(Metrics, BootstrapHoldsTheValueAndIsRepeatable) {
  const auto outcomes = formula_outcomes();
  for (const auto* name : {"macro_f1", "matthews"}) {
    const auto first = measured(name, outcomes, 3, 5), again = measured(name, outcomes, 3, 5);
    EXPECT_LT(first.low, first.value);
    EXPECT_GT(first.high, first.value);
    EXPECT_GT(first.high - first.low, 0.05);
    EXPECT_LT(first.high - first.low, 0.4);
    EXPECT_EQ(first.low, again.low);
    EXPECT_EQ(first.high, again.high);
    EXPECT_NE(first.low, measured(name, outcomes, 3, 6).low);
  }
}

TEST(Metrics, AnIllegalAnswerIsNeverRight) { EXPECT_EQ(value("accuracy", {labelled(-1, -1), labelled(-1, 0)}, 2), 0); }

TEST(Metrics, OneClassHasNoCorrelation) { EXPECT_EQ(value("matthews", Predictions(5, labelled(0, 0)), 2), 0); }

// CB: the invalid answer is one more miss of its class, and of no class a false alarm. Classes' F1: 1/2, 1, 2/3.
TEST(Metrics, CbsMacroF1WithAnInvalidAnswer) {
  const Predictions cb = {labelled(0, 0), labelled(-1, 0), labelled(1, 1), labelled(2, 2),
                          labelled(2, 2), labelled(0, 2),  labelled(-1, 2)};
  EXPECT_NEAR(value("macro_f1", cb, 3), (0.5 + 1 + 2.0 / 3) / 3, 1e-12);
}

// Row by row: hit, miss by an illegal answer, right no, false alarm by an illegal answer, false alarm.
TEST(Metrics, BinaryF1TurnsIllegalAnswersIntoTheWrongLabel) {
  const Predictions mrpc = {labelled(1, 1), labelled(-1, 1), labelled(0, 0), labelled(-1, 0), labelled(1, 0)};
  EXPECT_NEAR(value("f1", mrpc, 2), 2.0 * 1 / (2 * 1 + 2 + 1), 1e-12);
  EXPECT_EQ(value("f1a", mrpc, 2), value("f1", mrpc, 2));
  EXPECT_EQ(value("f1", {labelled(0, 0)}, 2), 0);  // nothing to find
}

TEST(Metrics, MultiRcCountsQuestionsWithAllAnswersRight) {
  const Predictions multirc = {labelled(1, 1, "0/0"), labelled(0, 0, "0/1"), labelled(0, 0, "0/0"),
                               labelled(1, 0, "0/1"), labelled(-1, 0, "1/0")};
  const MetricValue em = measured("em", multirc, 2);
  EXPECT_NEAR(em.value, 1.0 / 3, 1e-12);
  EXPECT_EQ(em.n, 3);  // questions
  EXPECT_EQ(measured("f1a", multirc, 2).n, 5);
}

TEST(Metrics, SquadTakesTheNearestReference) {
  const Predictions squad = {written("The  Cat's!", "dog", {"dog", "cats"}), written("big cat", "cat", {"cat", "dog"}),
                             written("", "cat")};
  EXPECT_NEAR(value("squad_em", squad), 1.0 / 3, 1e-12);
  EXPECT_NEAR(value("squad_f1", squad), (1 + 2.0 / 3 + 0) / 3, 1e-12);
}

// Training writes a row for each right answer of a question; the question is scored once.
TEST(Metrics, RecordCountsAQuestionOnce) {
  const Predictions record = {written("Paris", "Paris", {"Paris", "Paris, France"}, "3/7"),
                              written("Paris", "Paris, France", {"Paris", "Paris, France"}, "3/7"),
                              written("Rome", "Bonn", {"Bonn"}, "3/8")};
  const MetricValue em = measured("record_em", record, 0), f1 = measured("record_f1", record, 0);
  EXPECT_DOUBLE_EQ(em.value, 0.5);
  EXPECT_EQ(em.n, 2);
  EXPECT_DOUBLE_EQ(f1.value, 0.5);
  EXPECT_EQ(f1.n, 2);
  EXPECT_NEAR(value("squad_em", record), 2.0 / 3, 1e-12);
}

// scipy.stats.pearsonr and spearmanr of [1, 2.2, 2.2, 3, 5, 4.6] and [1.4, 2, -1, 3, 3, 5].
TEST(Metrics, CorrelationsReadNumbersAndTakeWhatIsNoneForMinusOne) {
  const Predictions stsb = {written("1.4", "1.0"), written(" 2 ", "2.2"), written("two", "2.2"),
                            written("3.0", "3.0"), written("3", "5.0"),   written("+5e0", "4.6")};
  EXPECT_NEAR(value("pearson", stsb), 0.6752753232224379, 1e-12);
  EXPECT_NEAR(value("spearman", stsb), 0.7941176470588236, 1e-12);
  EXPECT_EQ(value("pearson", {written("3", "1"), written("3", "2")}), 0);  // a constant
  EXPECT_EQ(value("spearman", {written("1", "3.1"), written("2", "3.1")}), 0);
  EXPECT_DOUBLE_EQ(value("spearman", {written("1", "3"), written("20", "4")}), 1);
  EXPECT_EQ(value("pearson", {written("nan", "1"), written("inf", "2"), written("-1", "3")}), 0);  // all −1
}

TEST(Metrics, WscComparesTheVerdictWithTheRowsLabel) {
  const auto row = [](const std::string& answer, int target) {
    Prediction p = written(answer, "the cat");
    p.target_label = target;
    return p;
  };
  EXPECT_DOUBLE_EQ(value("wsc_simple", {row("cat", 1), row("dog", 0), row("cat", 0), row("", 0)}), 0.5);
}

TEST(Metrics, ExactMatchTakesAnyRightAnswer) {
  EXPECT_DOUBLE_EQ(value("exact_match", {written("b", "a", {"a", "b"}), written("B", "b"), written("a", "a")}),
                   2.0 / 3);
}

TEST(Metrics, MeanIsThatOfTheOthers) {
  const Predictions multirc = {labelled(1, 1, "a"), labelled(0, 0, "a"), labelled(1, 0, "b"), labelled(1, 1, "c")};
  const auto all = compute_metrics({"mean", "f1a", "em"}, multirc, 2);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].name, "mean");
  EXPECT_DOUBLE_EQ(all[0].value, (all[1].value + all[2].value) / 2);
  EXPECT_DOUBLE_EQ(all[1].value, 0.8);
  EXPECT_NEAR(all[2].value, 2.0 / 3, 1e-12);
  EXPECT_LT(all[0].low, all[0].value);
  EXPECT_DOUBLE_EQ(metric_value("mean", {"mean", "f1a", "em"}, multirc, 2), all[0].value);
}

// With whole groups drawn, rows that always go together tell less: the interval is wider.
TEST(Metrics, GroupsAreDrawnWhole) {
  Predictions grouped;
  Random random(4);
  for (int question = 0; question < 40; ++question) {
    const bool right = random.below(2) == 0;
    for (int answer = 0; answer < 10; ++answer)
      grouped.push_back(labelled(right ? answer % 2 : 1 - answer % 2, answer % 2, std::to_string(question)));
  }
  const MetricValue f1 = measured("f1", grouped, 2), f1a = measured("f1a", grouped, 2);
  EXPECT_EQ(f1.value, f1a.value);
  EXPECT_GT(f1a.high - f1a.low, 2 * (f1.high - f1.low));
  EXPECT_LT(f1a.low, f1a.value);
}

TEST(Judge, TheFirstMetricDecides) {
  const auto judged = [](Prediction p, const std::vector<std::string>& metrics, int labels) {
    judge_answer(p, metrics, labels);
    return p;
  };
  EXPECT_TRUE(judged(labelled(1, 1), {"mean", "f1", "accuracy"}, 2).correct);
  EXPECT_TRUE(judged(labelled(-1, 1), {"accuracy"}, 2).illegal);
  const Prediction squad = judged(written("The Cat!", "dog", {"dog", "cat"}), {"squad_f1"}, 0);
  EXPECT_TRUE(squad.correct);
  EXPECT_FALSE(squad.illegal);
  EXPECT_EQ(squad.judged, "cat");
  EXPECT_TRUE(judged(written("3.0", "3"), {"pearson", "spearman"}, 0).correct);
  EXPECT_TRUE(judged(written("three", "3"), {"pearson"}, 0).illegal);
  Prediction wsc = written("a cat", "the cat");
  wsc.target_label = 0;
  wsc = judged(wsc, {"wsc_simple"}, 0);
  EXPECT_EQ(wsc.label, 1);
  EXPECT_FALSE(wsc.correct);
  EXPECT_FALSE(judged(written("The cat", "cat"), {"exact_match"}, 0).correct);
  EXPECT_TRUE(answers_may_be_illegal({"accuracy"}, 2));
  EXPECT_TRUE(answers_may_be_illegal({"mean", "pearson", "spearman"}, 0));
  EXPECT_FALSE(answers_may_be_illegal({"squad_f1", "squad_em"}, 0));
}

// MultiRC: mostly False. Always "False" finds nothing; the best constant for F1 is "True".
TEST(ConstantAnswers, AreTheBestOfEachMetric) {
  const Predictions multirc = {labelled(-1, 0, "a"), labelled(-1, 0, "b"), labelled(-1, 0, "b"), labelled(-1, 1, "c")};
  const auto best = constant_answers({"f1a", "em", "accuracy", "matthews"}, multirc, {"False", "True"});
  ASSERT_EQ(best.size(), 4u);
  EXPECT_EQ(best[0].answer, "True");
  EXPECT_DOUBLE_EQ(best[0].value, 0.4);
  EXPECT_EQ(best[1].answer, "False");
  EXPECT_NEAR(best[1].value, 2.0 / 3, 1e-12);
  EXPECT_EQ(best[2].value, 0.75);
  EXPECT_EQ(best[3].answer, "False");  // all are as good: the most frequent
  EXPECT_EQ(best[3].value, 0);
}

TEST(ConstantAnswers, OfFreeTextThereIsOnlyWscs) {
  Predictions wsc(5, written("", "cat"));
  for (int i = 0; i < 5; ++i) wsc[i].target_label = i < 2 ? 1 : 0;
  const auto best = constant_answers({"wsc_simple"}, wsc, {});
  ASSERT_EQ(best.size(), 1u);
  EXPECT_DOUBLE_EQ(best[0].value, 0.6);  // the trap: 63.5 on the development set
  EXPECT_TRUE(constant_answers({"squad_em", "squad_f1"}, {written("", "cat")}, {}).empty());
}

TEST(Metrics, AnUnknownNameGetsASuggestion) {
  try {
    measured("acuracy", {}, 2);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("accuracy"), std::string::npos);
  }
}

TEST(Metrics, MajorityIsTheMostFrequentAndOfEqualsTheLowest) {
  EXPECT_EQ(majority_label({2, 1, 2, 1, 0}), 1);
  EXPECT_EQ(majority_label({2, 2, -1, -1, -1, 0}), 2);
  EXPECT_EQ(majority_label({-1}), -1);
}

}  // namespace
}  // namespace peftbench::metrics_test
