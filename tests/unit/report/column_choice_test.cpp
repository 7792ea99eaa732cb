#include "report/column_choice.h"
#include "support/layers.h"

#include "report/comparison_report.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::column_choice_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const MetricMeanings metrics = {{"accuracy", "share of correct labels"}, {"macro_f1", "mean of the labels' F1"}};

ColumnChoice choice(const std::string& words) { return choose_columns({words}, metrics, "--columns"); }

ComparisonRow measured() {
  ComparisonRow row;
  row.label = row.method = "lora";
  row.task = "films";
  row.backbone = "t5";
  row.metric = "accuracy";
  row.split = "test";
  row.runs = {{1, "lora-1", "finished", "", 0.75}, {2, "lora-2", "finished", "", 0.85}};
  row.score = {2, 0.8, 0.05};
  row.metrics = {{"accuracy", {2, 0.8, 0.05}}, {"macro_f1", {2, 0.7, 0.02}}};
  row.validation = {2, 0.9, 0.01};
  row.chosen_by = "accuracy on validation";
  row.steps = Range{300, 300};
  row.training_seconds = 61;
  row.training_step_flops = 1.854e9;
  row.prediction_flops = 9.5e6;
  row.training_joules = 1532;
  return row;
}

std::vector<std::string> keys(const std::string& words, const ComparisonRow& row = measured()) {
  PageOptions options;
  options.columns = choice(words);
  const Table table = comparison_tables({row}, false, options).at(0);
  std::vector<std::string> result;
  for (const Column& column : table.columns) result.push_back(column.key);
  return result;
}

std::string refusal(const std::string& words) {
  try {
    choice(words);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ColumnChoiceTest, IsInTheOrderOfTheWords) {
  EXPECT_THAT(keys("steps,score"), ElementsAre("label", "steps", "score"));
  EXPECT_THAT(keys("macro_f1, label"), ElementsAre("label", "macro_f1"));
  EXPECT_THAT(keys("score,score,memory"), ElementsAre("label", "score", "peak_memory_bytes"));
  EXPECT_THAT(keys("flops"), ElementsAre("label", "training_step_flops", "prediction_flops"));
  EXPECT_THAT(keys("metrics"), ElementsAre("label", "accuracy", "macro_f1"));
}

TEST(ColumnChoiceTest, APlusAddsToTheDefaultOnes) {
  const std::vector<std::string> common = keys("+steps");
  EXPECT_EQ(common.front(), "label");
  EXPECT_EQ(common.back(), "steps");
  EXPECT_EQ(common.size(), keys("+score").size() + 1);
  EXPECT_THAT(keys("score,+steps"), ElementsAre("label", "score", "steps"));
}

TEST(ColumnChoiceTest, AnUnknownNameIsRefusedWithTheNearest) {
  EXPECT_THAT(refusal("score,stepz"),
              AllOf(HasSubstr("--columns: unknown column"), HasSubstr("'stepz'"), HasSubstr("did you mean 'steps'?")));
  EXPECT_THAT(refusal("macro_f"), HasSubstr("did you mean 'macro_f1'?"));
  EXPECT_THAT(refusal("score,"), HasSubstr("unknown column"));
  EXPECT_THAT(refusal("runs"), HasSubstr("unknown column"));  // of JSON alone
}

TEST(ColumnChoiceTest, ShowsWhatWasMeasured) {
  PageOptions options;
  options.columns = choice("validation,chosen_by,steps,training,flops,energy,macro_f1,forgetting,agreement,answers");
  EXPECT_THAT(comparison_markdown({measured()}, false, options),
              HasSubstr("| lora | 0.900 ± 0.010 | accuracy on validation | 300 | 1 min 01 s | 1.85 GFLOP | "
                        "9.50 MFLOP | 1.53 kJ | – | 0.700 ± 0.020 | – | – | – |"));
  for (const std::string& text : {comparison_text({measured()}, 0, false, options),
                                  comparison_latex({measured()}, options), comparison_html({measured()}, options)})
    EXPECT_THAT(text, AllOf(HasSubstr("1.85 GFLOP"), Not(HasSubstr("0.800"))));
}

TEST(ColumnChoiceTest, SomeColumnsComeWhereTheyTellSomething) {
  EXPECT_THAT(comparison_text({measured()}), AllOf(Not(HasSubstr("forgetting")), Not(HasSubstr("searched"))));
  ComparisonRow row = measured();
  row.forgetting = 0.0421;
  row.forgetting_on = {"inputs of films, 1,200 tokens"};
  row.searched = {"length=20", "train.learning_rate=0.1"};
  row.agreement = 0.914;
  EXPECT_THAT(
      comparison_text({row}),
      AllOf(HasSubstr("+0.042"), HasSubstr("length=20, train.learning_rate=0.1"), HasSubstr("91.4 %"),
            HasSubstr("forgetting: rise of the loss, in nats per token, of:\n  inputs of films, 1,200 tokens")));
}

TEST(ColumnChoiceTest, OtherProgramsGetAllOfThem) {
  const ComparisonRow row = measured();
  const Json json = comparison_json({row}).at(0);
  EXPECT_EQ(json.at("metrics").at("macro_f1"), (Json{{"mean", 0.7}, {"sd", 0.02}, {"n", 2}}));
  EXPECT_EQ(json.at("training_step_flops"), 1.854e9);
  EXPECT_EQ(json.at("training_joules"), 1532.0);
  EXPECT_TRUE(json.at("evaluation_joules").is_null());
  EXPECT_EQ(json.at("validation_score"), 0.9);
  EXPECT_EQ(json.at("chosen_by"), "accuracy on validation");
  EXPECT_THAT(comparison_csv({row}),
              AllOf(HasSubstr(",searched,rank_low,rank_high,tied_with_best,too_small,accuracy,macro_f1\n"),
                    HasSubstr(",0.8,0.7\n")));
}

TEST(ColumnChoiceTest, HelpNamesEachColumnWithItsMeaning) {
  const Table help = columns_help(metrics);
  for (const std::vector<Cell>& row : help.rows) {
    EXPECT_NE(row.at(3).shown, "") << row.at(0).shown;
    EXPECT_EQ(refusal(row.at(0).shown), "accepted");
  }
  EXPECT_GT(help.rows.size(), 35u);
}

TEST(ColumnChoiceTest, ManyColumnsComeInParts) {
  PageOptions options;
  options.columns = choice("score,counts,steps,flops");
  const Table chosen = comparison_tables({measured()}, false, options).at(0);
  ASSERT_EQ(chosen.columns.size(), 11u);
  EXPECT_EQ(chosen.columns[7].part, 0);
  EXPECT_EQ(chosen.columns[8].part, 1);
  options.columns = choice("+steps");
  EXPECT_EQ(comparison_tables({measured()}, false, options).at(0).columns.back().part, 2);
}

TEST(ColumnChoiceTest, NothingIsChosenByDefault) {
  EXPECT_TRUE(ColumnChoice().empty());
  EXPECT_TRUE(choice("+agreement").has("agreement"));
  EXPECT_FALSE(choice("+score").has("agreement"));
  EXPECT_THAT(choice("+score").only, IsEmpty());
}

}  // namespace
}  // namespace peftbench::column_choice_test
