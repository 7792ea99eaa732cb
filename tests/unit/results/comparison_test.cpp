#include "results/comparison.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

namespace peftbench::comparison_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Statistics, DeviationIsTheSamples) {
  const Summary summary = summarise({2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_EQ(summary.n, 8);
  EXPECT_DOUBLE_EQ(summary.mean, 5);
  EXPECT_DOUBLE_EQ(summary.deviation.value(), std::sqrt(32.0 / 7));
  // Of large numbers that are close: the textbook's Σx² − n·mean² would give 0 or worse.
  EXPECT_DOUBLE_EQ(summarise({1e9, 1e9 + 1, 1e9 + 2}).deviation.value(), 1);
}

TEST(Statistics, OneValueHasNoDeviationAndNoneHasNoMean) {
  EXPECT_DOUBLE_EQ(summarise({0.5}).mean, 0.5);
  EXPECT_FALSE(summarise({0.5}).deviation);
  EXPECT_EQ(summarise({}).n, 0);
  EXPECT_TRUE(std::isnan(summarise({}).mean));
}

TEST(Statistics, Median) {
  EXPECT_DOUBLE_EQ(median({3, 1, 2}), 2);
  EXPECT_DOUBLE_EQ(median({4, 1, 3, 2}), 2.5);
  EXPECT_TRUE(std::isnan(median({})));
}

RunRecord run_of(const std::string& method, int length, int seed, double score, const std::string& task = "movies") {
  RunRecord r;
  r.id = method + "-" + task + "-s" + std::to_string(seed) + "-" + std::to_string(length);
  r.status = "finished";
  r.method.name = method;
  r.task.name = task;
  r.backbone.name = "t5";
  r.seed = static_cast<std::uint64_t>(seed);
  r.config = {
      {"method", {{"name", method}}}, {"seed", seed}, {"set", {{"length", length}}}, {"train", {{"steps", 10}}}};
  r.ledger = {{"trained", length * 4},      {"receiving_gradient", length * 4 - seed % 2},
              {"stored", length * 4},       {"inference", length * 4},
              {"after_merge", 0},           {"percent", 0.5},
              {"bytes_stored", length * 16}};
  r.metrics = {{"test", "accuracy", score, 100, {}, 0.5}};
  r.illegal_rate = 0.1 * seed;
  r.training.steps = 10;
  r.phases = {{"load", 9, 9, 700, true}, {"train", 1.0 * seed, 1, 500, true}, {"validate", 50, 50, 600, true}};
  return r;
}

TEST(Compare, ScoresOnOtherTasksAreSummarisedOverSeeds) {
  RunRecord one = run_of("lora", 8, 1, 0.8), two = run_of("lora", 8, 2, 0.6);
  for (RunRecord* record : {&one, &two}) {
    TaskScore tweets{
        "tweets", "", "", "", false, {}, 5, 50, {{"test", "accuracy", record->metrics[0].value - 0.2, 50, {}, 0.5}}};
    tweets.illegal_rate = 0.1 * static_cast<double>(record->seed);
    record->tasks = {tweets};
  }
  TaskScore books{"books", "", "", "", false, {}, 5, 30, {{"validation", "f1", 0.4, 30, {}, {}}}};
  two.tasks.push_back(books);
  const std::vector<ComparisonRow> rows = compare({one, two});
  ASSERT_EQ(rows.size(), 1u);
  ASSERT_EQ(rows[0].others.size(), 2u);
  const OtherScore& tweets = rows[0].others[0];
  EXPECT_EQ(tweets.task, "tweets");
  EXPECT_EQ(tweets.metric, "accuracy");
  EXPECT_EQ(tweets.score.n, 2);
  EXPECT_NEAR(tweets.score.mean, 0.5, 1e-12);
  EXPECT_NEAR(tweets.illegal_rate.value(), 0.15, 1e-12);
  EXPECT_EQ(tweets.majority, 0.5);
  EXPECT_EQ(rows[0].others[1].split, "validation");
  EXPECT_EQ(rows[0].others[1].score.n, 1);
  EXPECT_NEAR(rows[0].score.mean, 0.7, 1e-12);
}

TEST(Compare, RunsThatDifferByTheirSeedAloneAreARow) {
  const std::vector<ComparisonRow> rows =
      compare({run_of("lora", 8, 3, 0.6), run_of("lora", 8, 1, 0.8), run_of("lora", 8, 2, 0.7)});
  ASSERT_EQ(rows.size(), 1u);
  const ComparisonRow& row = rows.front();
  EXPECT_EQ(row.label, "lora");
  EXPECT_EQ(row.metric, "accuracy");
  EXPECT_EQ(row.score.n, 3);
  EXPECT_NEAR(row.score.mean, 0.7, 1e-12);
  EXPECT_NEAR(row.score.deviation.value(), 0.1, 1e-12);
  EXPECT_EQ(row.runs.front().seed, 1u);
  EXPECT_EQ(row.runs.back().score, 0.6);
  EXPECT_DOUBLE_EQ(row.majority.value(), 0.5);
  EXPECT_NEAR(row.illegal_rate.value(), 0.2, 1e-12);
  // The median of 1, 2 and 3 s by 10 steps; validation is not in it.
  EXPECT_DOUBLE_EQ(row.step_seconds.value(), 0.2);
  EXPECT_EQ(row.peak_memory_bytes, 700);
  EXPECT_EQ(row.trained->low, 32);
  EXPECT_EQ(row.receiving_gradient->low, 31);
  EXPECT_EQ(row.receiving_gradient->high, 32);
  EXPECT_EQ(row.after_merge->high, 0);
  EXPECT_EQ(row.bytes_stored->low, 128);
}

TEST(Compare, AnIntervalIsThatOfOneScore) {
  RunRecord one = run_of("lora", 8, 1, 0.8), two = run_of("lora", 8, 2, 0.6);
  one.metrics[0].interval = two.metrics[0].interval = Interval{0.5, 0.9};
  one.tasks = two.tasks = {{"tweets", "", "", "", false, {}, 5, 50, one.metrics}};
  const ComparisonRow alone = compare({one}).front();
  ASSERT_TRUE(alone.interval && alone.others.at(0).interval);
  EXPECT_EQ(alone.interval->low, 0.5);
  EXPECT_EQ(alone.others[0].interval->high, 0.9);
  const ComparisonRow both = compare({one, two}).front();
  EXPECT_FALSE(both.interval);
  EXPECT_FALSE(both.others.at(0).interval);
}

TEST(Compare, ConfigurationsOfAMethodAreToldApartByWhatDiffers) {
  const std::vector<ComparisonRow> rows = compare({run_of("lora", 8, 1, 0.6), run_of("lora", 16, 1, 0.7),
                                                   run_of("ia3", 1, 1, 0.5), run_of("lora", 8, 1, 0.9, "books")});
  std::vector<std::string> labels;
  for (const ComparisonRow& row : rows) labels.push_back(row.task + ": " + row.label);
  EXPECT_THAT(labels, ElementsAre("books: lora", "movies: ia3", "movies: lora length=16", "movies: lora length=8"));
}

TEST(Compare, WhatFailedStandsInItsRowAndNotInItsMean) {
  RunRecord failed = run_of("lora", 8, 2, 0);
  failed.status = "failed";
  failed.message = "no memory";
  failed.metrics.clear();
  const std::vector<ComparisonRow> rows = compare({run_of("lora", 8, 1, 0.6), failed});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows.front().score.n, 1);
  EXPECT_DOUBLE_EQ(rows.front().score.mean, 0.6);
  EXPECT_EQ(rows.front().runs.at(1).status, "failed");
  EXPECT_EQ(rows.front().runs.at(1).message, "no memory");
  EXPECT_FALSE(rows.front().runs.at(1).score);
}

TEST(StepSeconds, AreUnknownWithoutSteps) {
  RunRecord record = run_of("prompt_design", 1, 1, 0.5);
  record.training.steps = 0;
  EXPECT_FALSE(step_seconds(record));
}

// hostile 6: a record that was written anew does not know the time of the steps before.
TEST(StepSeconds, AreOfTheStepsWhoseTimeIsKnown) {
  RunRecord record = run_of("lora", 8, 1, 0.5);  // 10 steps in 1 s
  record.training.resumed_from = 6;
  EXPECT_DOUBLE_EQ(step_seconds(record).value(), 0.25);
  record.training.times_resumed = 1;  // the record has the time of both processes
  EXPECT_DOUBLE_EQ(step_seconds(record).value(), 0.1);
  record.training.times_resumed = 0;
  record.training.resumed_from = 10;
  EXPECT_FALSE(step_seconds(record));
}

class Suites : public testing::Test {
 protected:
  Suites() { fs::create_directories(folder_); }
  ~Suites() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / ("peftbench-suites-" + std::to_string(::getpid()));
};

TEST_F(Suites, RowsAreInTheirOrderWithRunsThatNeverCameToBe) {
  const ResultStore store(folder_);
  store.write(run_of("lora", 8, 1, 0.6));
  RunRecord killed = run_of("lora", 8, 2, 0);
  killed.status = "running";
  killed.metrics.clear();
  store.write(killed);
  const SuiteManifest suite{"all",
                            {{"second first", "soft", "movies", "t5", 1, "soft-movies-s1-1", "", {}},
                             {"low rank", "lora", "movies", "t5", 1, "lora-movies-s1-8", "", {}},
                             {"low rank", "lora", "movies", "t5", 2, "lora-movies-s2-8", "ended by signal 9", {}}}};
  add_to_manifest(folder_, suite);
  const std::vector<ComparisonRow> rows = compare(find_manifest(folder_, "all").value(), read_runs(folder_));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].label, "second first");
  EXPECT_EQ(rows[0].runs.front().status, "missing");
  EXPECT_EQ(rows[1].score.n, 1);
  EXPECT_EQ(rows[1].runs.at(1).status, "failed");
  EXPECT_EQ(rows[1].runs.at(1).message, "ended by signal 9");
  EXPECT_EQ(read_runs(folder_).runs.size(), 2u);  // the suite's own folder is no run
}

// hostile 6
TEST_F(Suites, ARecordThatCannotBeReadIsARowOfItsOwn) {
  const ResultStore store(folder_);
  store.write(run_of("lora", 8, 1, 0.6));
  store.write(run_of("lora", 8, 2, 0.7));
  write_atomically(store.folder_of("lora-movies-s2-8").record(), "{");
  const SuiteManifest suite{"all",
                            {{"low rank", "lora", "movies", "t5", 1, "lora-movies-s1-8", "", {}},
                             {"low rank", "lora", "movies", "t5", 2, "lora-movies-s2-8", "", {}}}};
  const std::vector<ComparisonRow> rows = compare(suite, read_runs(folder_));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].score.n, 1);
  EXPECT_EQ(rows[0].runs.at(1).status, "failed");
  EXPECT_EQ(rows[0].runs.at(1).seed, 2u);
  EXPECT_THAT(rows[0].runs.at(1).message, HasSubstr("record.json"));
  // Of the folder as a whole too.
  const std::vector<ComparisonRow> all = compare(read_runs(folder_));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].score.n, 1);
  EXPECT_EQ(all[1].label, "lora-movies-s2-8");
  EXPECT_EQ(all[1].runs.front().status, "unreadable");
}

// S5: a run is found by its id, in whichever folder it lies.
TEST_F(Suites, ACopiedRunIsARowOnce) {
  const ResultStore store(folder_);
  for (int seed : {1, 2, 3}) store.write(run_of("lora", 8, seed, 0.1 * seed));
  fs::copy(folder_ / "lora-movies-s1-8", folder_ / "backup", fs::copy_options::recursive);
  fs::rename(folder_ / "lora-movies-s2-8", folder_ / "renamed");
  const std::vector<ComparisonRow> rows = compare(read_runs(folder_));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].score.n, 3);
  EXPECT_NEAR(rows[0].score.mean, 0.2, 1e-12);
  EXPECT_THAT(rows[0].warnings, ElementsAre(HasSubstr("'backup' is a copy of the run in 'lora-movies-s1-8'")));
  const SuiteManifest suite{"all",
                            {{"low rank", "lora", "movies", "t5", 1, "lora-movies-s1-8", "", {}},
                             {"low rank", "lora", "movies", "t5", 2, "lora-movies-s2-8", "", {}}}};
  const std::vector<ComparisonRow> of_suite = compare(suite, read_runs(folder_));
  EXPECT_EQ(of_suite.at(0).score.n, 2);
  EXPECT_EQ(of_suite.at(0).warnings.size(), 1u);
}

}  // namespace
}  // namespace peftbench::comparison_test
