#include "results/benchmark.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace peftbench::benchmark_test {

using namespace layers;

namespace {

const char* const tasks[] = {"boolq", "cb", "copa", "multirc", "record", "rte", "wic", "wsc"};

// CB, MultiRC and ReCoRD have the mean of two metrics for their score, as configs/tasks/superglue has it.
RunRecord run_of(const std::string& task, int seed, double first, double second) {
  RunRecord r;
  r.id = task + std::to_string(seed);
  r.status = "finished";
  r.method.name = "prompt_tuning";
  r.task.name = "superglue/" + task;
  r.backbone.name = "t5";
  r.seed = static_cast<std::uint64_t>(seed);
  r.config = {{"seed", seed}, {"task", {{"name", r.task.name}}}};
  const bool two = task == "cb" || task == "multirc" || task == "record";
  if (two)
    r.metrics = {{"validation", "mean", (first + second) / 2, 10, {}, 0.25, {}},
                 {"validation", "macro_f1", first, 10, {}, 0.2, {}},
                 {"validation", "accuracy", second, 10, {}, 0.3, {}}};
  else
    r.metrics = {{"validation", "accuracy", first, 10, {}, 0.5, {}}};
  return r;
}

std::vector<RunRecord> all_of(int seed, double step) {
  std::vector<RunRecord> records;
  double score = 0.1;
  for (const char* task : tasks) {
    score += step;
    records.push_back(run_of(task, seed, score, score + 0.2));
  }
  return records;
}

TEST(SuperGlue, IsTheMeanOfEightTasksTwoMetricsAveragedFirst) {
  const auto rows = benchmark_rows(compare(all_of(1, 0.05)));
  ASSERT_EQ(rows.size(), 1u);
  const ComparisonRow& row = rows.front();
  EXPECT_EQ(row.task, "superglue (mean of 8)");
  EXPECT_EQ(row.label, "prompt_tuning");
  EXPECT_EQ(row.backbone, "t5");
  EXPECT_EQ(row.metric, "mean");
  EXPECT_EQ(row.split, "validation");
  // 0.15 … 0.50, and 0.1 more for each of three tasks whose second metric is 0.2 higher.
  EXPECT_NEAR(row.score.mean, (8 * 0.325 + 3 * 0.1) / 8, 1e-12);
  EXPECT_NEAR(row.majority.value(), (5 * 0.5 + 3 * 0.25) / 8, 1e-12);
  EXPECT_EQ(row.examples->low, 80);
  EXPECT_FALSE(row.trained);
}

TEST(SuperGlue, IsOverTheSeedsThatAllTasksHave) {
  std::vector<RunRecord> records = all_of(1, 0.05);
  for (const RunRecord& r : all_of(2, 0.04)) records.push_back(r);
  for (const RunRecord& r : all_of(3, 0.03)) records.push_back(r);
  for (RunRecord& r : records)
    if (r.seed == 3 && r.task.name == "superglue/wic") r.status = "failed";
  const auto rows = benchmark_rows(compare(records));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows.front().score.n, 2);
  ASSERT_EQ(rows.front().runs.size(), 2u);
  EXPECT_EQ(rows.front().runs.back().seed, 2u);
  EXPECT_NEAR(rows.front().runs.back().score.value(), (8 * (0.1 + 4.5 * 0.04) + 3 * 0.1) / 8, 1e-12);
}

TEST(SuperGlue, IsNotThereWithoutAllTasksOrOnOtherBackbones) {
  const std::vector<RunRecord> whole = all_of(1, 0.05);
  for (std::size_t missing = 0; missing < whole.size(); ++missing) {
    std::vector<RunRecord> records = whole;
    records.erase(records.begin() + static_cast<std::ptrdiff_t>(missing));
    EXPECT_TRUE(benchmark_rows(compare(records)).empty()) << missing;
    records.push_back(whole[missing]);
    records.back().backbone.name = "other";
    EXPECT_TRUE(benchmark_rows(compare(records)).empty()) << missing;
  }
}

// One metric of two would be another score under SuperGLUE's name.
TEST(SuperGlue, IsNotMadeOfOneOfTwoMetrics) {
  std::vector<RunRecord> records = all_of(1, 0.05);
  for (RunRecord& r : records)
    if (r.task.name == "superglue/cb") r.metrics.erase(r.metrics.begin());
  EXPECT_TRUE(benchmark_rows(compare(records)).empty());
}

TEST(SuperGlue, OfAMajorityThatATaskLacksThereIsNoMean) {
  std::vector<RunRecord> records = all_of(1, 0.05);
  for (RunRecord& r : records)
    if (r.task.name == "superglue/record") r.metrics.front().majority.reset();
  const auto rows = benchmark_rows(compare(records));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_FALSE(rows.front().majority);
}

}  // namespace
}  // namespace peftbench::benchmark_test
