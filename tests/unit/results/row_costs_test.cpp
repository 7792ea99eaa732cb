#include "results/row_costs.h"
#include "support/layers.h"

#include "results/benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::row_costs_test {

using namespace layers;

namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

RunRecord trained_run(int seed, const std::string& split) {
  RunRecord r;
  r.id = "run-" + std::to_string(seed);
  r.status = "finished";
  r.method.name = "lora";
  r.task.name = "films";
  r.backbone.name = "t5";
  r.seed = static_cast<std::uint64_t>(seed);
  r.config = {{"seed", seed}, {"train", {{"steps", 300}, {"evaluate_every", 100}}}};
  r.ledger = {{"flops", {{"forward", 1e9}, {"training_step", 3e9}, {"prediction", 2e6}}}};
  r.training.steps = 300;
  r.training.best_step = 200;
  r.training.loss_split = "validation";
  r.training.validation_score = 0.7 + 0.1 * seed;
  r.training.validation_metric = "accuracy";
  r.metrics = {{split, "accuracy", 0.5, 10, {}, {}, {}}, {split, "macro_f1", 0.1 * seed, 10, {}, {}, {}}};
  r.phases = {{"train", 10.0 * seed, 1, 1, true, 100.0 * seed}, {"evaluate", 1, 1, 1, true, {}}};
  return r;
}

ComparisonRow row_of(const std::vector<RunRecord>& records) {
  const std::vector<ComparisonRow> rows = compare(records);
  EXPECT_EQ(rows.size(), 1u);
  return rows.front();
}

TEST(RowCosts, AreOfAllSeeds) {
  const ComparisonRow row = row_of({trained_run(1, "test"), trained_run(2, "test")});
  EXPECT_EQ(row.steps->low, 300);
  EXPECT_DOUBLE_EQ(row.training_seconds.value(), 15);
  EXPECT_DOUBLE_EQ(row.training_step_flops.value(), 3e9);
  EXPECT_DOUBLE_EQ(row.prediction_flops.value(), 2e6);
  EXPECT_DOUBLE_EQ(row.training_joules.value(), 150);
  EXPECT_FALSE(row.evaluation_joules);
  EXPECT_EQ(row.validation.n, 2);
  EXPECT_NEAR(row.validation.mean, 0.85, 1e-12);
  ASSERT_EQ(row.metrics.size(), 2u);
  EXPECT_EQ(row.metrics[1].name, "macro_f1");
  EXPECT_NEAR(row.metrics[1].score.mean, 0.15, 1e-12);
  EXPECT_FALSE(row.forgetting);
}

TEST(RowCosts, SayWhatChoseTheStep) {
  RunRecord run = trained_run(1, "test");
  EXPECT_EQ(row_of({run}).chosen_by, "accuracy on validation");
  run.training.validation_metric = "";  // an older record
  EXPECT_EQ(row_of({run}).chosen_by, "accuracy on validation");
  run.config["train"]["evaluate_every"] = 0;
  EXPECT_EQ(row_of({run}).chosen_by, "last step");
  run.config["train"]["evaluate_every"] = 300;
  EXPECT_EQ(row_of({run}).chosen_by, "last step");
  run = trained_run(1, "test");
  run.training.loss_split = "train";
  EXPECT_EQ(row_of({run}).chosen_by, "last step");
  run.training.steps = 0;
  EXPECT_EQ(row_of({run}).chosen_by, "");
}

TEST(RowCosts, WarnOfAScoreOnTheSplitThatChoseTheStep) {
  EXPECT_THAT(row_of({trained_run(1, "test")}).warnings, IsEmpty());
  EXPECT_THAT(row_of({trained_run(1, "validation"), trained_run(2, "validation")}).warnings,
              ElementsAre(chosen_on_scored));
  RunRecord last = trained_run(1, "validation");
  last.config["train"]["evaluate_every"] = 0;
  EXPECT_THAT(row_of({last}).warnings, IsEmpty());
  RunRecord mixture = trained_run(1, "test");
  mixture.tasks = {{"films", "", "", "", true, 0.5, 5, 5, {{"validation", "accuracy", 0.5, 10, {}, {}, {}}}}};
  EXPECT_THAT(row_of({mixture}).warnings, ElementsAre(chosen_on_scored));
  mixture.tasks.front().trained = false;  // a transfer chooses nothing
  EXPECT_THAT(row_of({mixture}).warnings, IsEmpty());
}

TEST(RowCosts, HaveWhatWasForgotten) {
  RunRecord one = trained_run(1, "test"), two = trained_run(2, "test");
  ForgettingRecord lost;
  lost.task = "films";
  lost.tokens = 1200;
  lost.loss_frozen = 3;
  lost.loss_with_method = 3.25;
  one.forgetting = lost;
  lost.loss_with_method = 3.75;
  two.forgetting = lost;
  ComparisonRow row = row_of({one, two});
  EXPECT_NEAR(row.forgetting.value(), 0.5, 1e-12);
  EXPECT_THAT(row.forgetting_on, ElementsAre("inputs of films, 1,200 tokens"));
  one.forgetting->loss_with_method.reset();  // a head of classes
  two.forgetting.reset();
  row = row_of({one, two});
  EXPECT_FALSE(row.forgetting);
}

TEST(RowCosts, TheNewFieldsOfARecordAreReadAgain) {
  RunRecord run = trained_run(1, "test");
  run.forgetting.emplace();
  run.forgetting->text = "/texts";
  run.forgetting->loss_frozen = 1.5;
  const RunRecord again = record_from_json(to_json(run), "here");
  EXPECT_EQ(to_json(again), to_json(run));
  EXPECT_EQ(again.forgetting->text, "/texts");
  EXPECT_DOUBLE_EQ(again.phases.at(0).energy_joules.value(), 100);
  EXPECT_FALSE(again.phases.at(1).energy_joules);
  Json older = to_json(run);
  older.erase("forgetting");
  older["training"].erase("validation_score");
  older["training"].erase("validation_metric");
  for (Json& phase : older["phases"]) phase.erase("energy_joules");
  const RunRecord read = record_from_json(older, "here");
  EXPECT_FALSE(read.forgetting);
  EXPECT_FALSE(read.training.validation_score);
  EXPECT_FALSE(read.phases.at(0).energy_joules);
}

}  // namespace
}  // namespace peftbench::row_costs_test
