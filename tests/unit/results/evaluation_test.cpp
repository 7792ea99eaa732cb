#include "results/evaluation.h"
#include "support/layers.h"

#include "results/comparison.h"

#include <gmock/gmock.h>

namespace peftbench::evaluation_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// S17
TEST(Evaluation, IsDecidedByItsSettingsAndNotByThoseOfTraining) {
  for (const char* key : {"eval.mode", "eval.rank_score", "eval.beams", "eval.examples", "eval.split", "eval.label_map",
                          "eval.max_input_tokens", "task.prefix", "task.sentinel", "task.max_target_tokens"})
    EXPECT_TRUE(decides_evaluation(key)) << key;
  for (const char* key : {"train.steps", "train.unlikelihood_weight", "task.train_examples", "task.name", "set.length",
                          "eval.batch_size", "eval.tasks", "eval.keep_inputs", "log.tensorboard", "seed", "threads",
                          "backbone.quantization", "backbone.backend"})
    EXPECT_FALSE(decides_evaluation(key)) << key;
}

Json config(const std::string& mode, const std::string& score, int beams = 1, double penalty = 1) {
  return {{"eval", {{"mode", mode}, {"rank_score", score}, {"beams", beams}, {"length_penalty", penalty}}},
          {"train", {{"steps", 3}}}};
}

TEST(Evaluation, OfSettingsWithoutEffectNothingIsSaid) {
  EXPECT_THAT(differences(evaluation_of(config("greedy", "mean")), evaluation_of(config("greedy", "sum"))), IsEmpty());
  EXPECT_THAT(differences(evaluation_of(config("rank", "sum", 4)), evaluation_of(config("rank", "sum"))), IsEmpty());
  EXPECT_THAT(differences(evaluation_of(config("greedy", "sum", 1, 0.5)), evaluation_of(config("greedy", "sum"))),
              IsEmpty());
  EXPECT_THAT(differences(evaluation_of(config("rank", "mean")), evaluation_of(config("rank", "sum"))),
              ElementsAre("eval.rank_score=mean (else sum)"));
  EXPECT_THAT(differences(evaluation_of(config("greedy", "sum", 4, 0.5)), evaluation_of(config("greedy", "sum"))),
              ElementsAre("eval.beams=4 (else 1)", "eval.length_penalty=0.5"));
}

RunRecord run_of(const std::string& method, const Json& config, const std::string& answers) {
  RunRecord record;
  record.id = method;
  record.method.name = method;
  record.task.name = "movies";
  record.backbone.name = "t5";
  record.status = "finished";
  record.seed = 1;
  record.config = config;
  record.answers = answers;
  record.metrics = {{"test", "accuracy", 0.5, 100, {}, {}}};
  return record;
}

TEST(Evaluation, AnswersAreToldByHowTheyCameAbout) {
  EXPECT_EQ(answers_text(run_of("a", config("rank", "mean"), "ranked")), "ranked by mean");
  EXPECT_EQ(answers_text(run_of("a", config("rank", "mean"), "")), "ranked by mean");  // of before records said it
  EXPECT_EQ(answers_text(run_of("a", config("rank", "sum"), "classes")), "classes of a head");
  EXPECT_EQ(answers_text(run_of("a", config("greedy", "sum"), "generated")), "generated");
  EXPECT_EQ(answers_text(run_of("a", config("greedy", "sum", 4), "generated")), "generated, 4 beams");
}

TEST(Evaluation, ARowOfAFolderThatIsScoredOtherwiseThanMostIsMarked) {
  const Json greedy = config("greedy", "sum");
  const std::vector<ComparisonRow> rows =
      compare({run_of("ia3", config("rank", "mean"), "ranked"), run_of("lora", greedy, "generated"),
               run_of("vpt", greedy, "generated")});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_THAT(rows[0].otherwise, ElementsAre("eval.mode=rank (else greedy)", "eval.rank_score=mean"));
  EXPECT_EQ(rows[0].answers, "ranked by mean");
  EXPECT_THAT(rows[1].otherwise, IsEmpty());
  EXPECT_THAT(rows[1].warnings, IsEmpty());
}

// Tables of several tasks have each their own settings.
TEST(Evaluation, IsComparedWithinATable) {
  RunRecord other = run_of("lora", config("rank", "sum"), "ranked");
  other.task.name = "books";
  for (const ComparisonRow& row : compare({run_of("lora", config("greedy", "sum"), "generated"), other}))
    EXPECT_THAT(row.otherwise, IsEmpty());
}

}  // namespace
}  // namespace peftbench::evaluation_test
