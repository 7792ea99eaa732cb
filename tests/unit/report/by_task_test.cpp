#include "report/by_task.h"
#include "support/layers.h"

#include "report/comparison_report.h"
#include "report/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace peftbench::by_task_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

ComparisonRow task_row(const std::string& label, const std::string& task, std::optional<double> score,
                       const std::vector<std::uint64_t>& seeds = {1, 2}) {
  ComparisonRow row;
  row.label = row.method = label;
  row.task = task;
  row.backbone = "t5";
  row.metric = "accuracy";
  row.split = "test";
  for (const std::uint64_t seed : seeds)
    row.runs.push_back({seed, label + task + std::to_string(seed), score ? "finished" : "failed", "", score});
  if (score) row.score = {static_cast<std::int64_t>(seeds.size()), *score, 0.01};
  return row;
}

std::vector<ComparisonRow> two_methods() {
  return {task_row("ia3", "films", 0.8), task_row("lora", "films", 0.9), task_row("ia3", "tweets", 0.7),
          task_row("lora", "tweets", 0.6)};
}

std::vector<std::string> shown(const std::vector<Cell>& cells) {
  std::vector<std::string> result;
  for (const Cell& cell : cells) result.push_back(cell.shown + (cell.best ? "!" : ""));
  return result;
}

std::vector<std::string> note(const Table& table, const std::string& title) {
  for (const Note& one : table.notes)
    if (one.title == title) return one.lines;
  return {};
}

constexpr const char* without = "without a mean over the tasks";

TEST(ByTask, HasTheScoresAndTheirMean) {
  const std::vector<Table> tables = tables_by_task(two_methods());
  ASSERT_THAT(tables, SizeIs(1));
  EXPECT_EQ(tables[0].title, "mean over tasks (t5)");
  ASSERT_THAT(tables[0].columns, SizeIs(4));
  EXPECT_EQ(tables[0].columns[2].title, "tweets");
  EXPECT_EQ(tables[0].columns[3].title, "mean");
  EXPECT_EQ(tables[0].columns[3].align, Align::right);
  ASSERT_THAT(tables[0].rows, SizeIs(2));
  EXPECT_THAT(shown(tables[0].rows[0]), ElementsAre("ia3", "0.800 ± 0.010", "0.700 ± 0.010!", "0.750!"));
  EXPECT_THAT(shown(tables[0].rows[1]), ElementsAre("lora", "0.900 ± 0.010!", "0.600 ± 0.010", "0.750!"));
  EXPECT_THAT(note(tables[0], "scores"), ElementsAre("films: accuracy on test", "tweets: accuracy on test"));
  EXPECT_THAT(tables[0].notes, SizeIs(1));
}

TEST(ByTask, AMethodThatLacksATaskIsNamedAndHasNoMean) {
  std::vector<ComparisonRow> rows = two_methods();
  rows.push_back(task_row("soft", "films", 0.99));
  rows.push_back(task_row("hard", "films", 0.5));
  rows.push_back(task_row("hard", "tweets", std::nullopt));
  rows.push_back(task_row("odd", "films", std::nan("")));
  rows.push_back(task_row("odd", "tweets", 0.5));
  rows.push_back(task_row("odd", "tweets", 0.6));
  const Table table = tables_by_task(rows).at(0);
  EXPECT_THAT(table.rows, SizeIs(2));
  EXPECT_THAT(note(table, without), ElementsAre("soft: no run on tweets", "hard: no score on tweets",
                                                "odd: undefined score on films, 2 rows on tweets"));
  EXPECT_THAT(shown(table.rows[1]), ElementsAre("lora", "0.900 ± 0.010!", "0.600 ± 0.010", "0.750!"));
}

TEST(ByTask, WithoutACompleteMethodThereIsNoHeaderAlone) {
  const std::vector<Table> tables = tables_by_task(
      {task_row("ia3", "films", 0.8), task_row("ia3", "tweets", std::nullopt), task_row("lora", "films", 0.9)});
  ASSERT_THAT(tables, SizeIs(1));
  EXPECT_THAT(tables[0].columns, IsEmpty());
  EXPECT_THAT(note(tables[0], without), ElementsAre("ia3: no score on tweets", "lora: no run on tweets"));
}

TEST(ByTask, ThereIsNoneWhereNoMethodHasSeveralTasks) {
  EXPECT_THAT(tables_by_task({}), IsEmpty());
  EXPECT_THAT(tables_by_task({task_row("ia3", "films", 0.8), task_row("lora", "tweets", 0.9)}), IsEmpty());
  ComparisonRow elsewhere = task_row("ia3", "tweets", 0.8);
  elsewhere.backbone = "t5-large";
  EXPECT_THAT(tables_by_task({task_row("ia3", "films", 0.8), elsewhere}), IsEmpty());
}

TEST(ByTask, MixturesMeansAndUnreadableRecordsAreNoTasks) {
  std::vector<ComparisonRow> rows = two_methods();
  rows.push_back(task_row("lora", "mix", 0.8));
  rows.back().others = {{"films", true, "accuracy", "test", {2, 0.9, 0.02}, {}, {}, {}}};
  rows.push_back(task_row("ia3", "mix", std::nullopt));
  rows.push_back(task_row("lora", "superglue (mean of 8)", 0.7));
  ComparisonRow damaged;
  damaged.label = "lora";
  damaged.runs = {{0, "lora", "unreadable", "damaged", {}}};
  rows.push_back(damaged);
  const std::vector<Table> tables = tables_by_task(rows);
  ASSERT_THAT(tables, SizeIs(1));
  EXPECT_THAT(tables[0].columns, SizeIs(5));  // the benchmark's mean is one, and no task
  EXPECT_EQ(tables[0].columns[3].title, "superglue (mean of 8)");
  ASSERT_THAT(tables[0].rows, SizeIs(2));
  EXPECT_THAT(shown(tables[0].rows[0]), ElementsAre("ia3", "0.800 ± 0.010", "0.700 ± 0.010!", "–", "0.750!"));
  EXPECT_THAT(shown(tables[0].rows[1]),
              ElementsAre("lora", "0.900 ± 0.010!", "0.600 ± 0.010", "0.700 ± 0.010", "0.750!"));
}

TEST(ByTask, TheLastRowIsAConstantAnswer) {
  std::vector<ComparisonRow> rows = two_methods();
  for (ComparisonRow& row : rows) row.majority = row.task == "films" ? 0.5 : 0.25;
  Table table = tables_by_task(rows).at(0);
  ASSERT_THAT(table.rows, SizeIs(3));
  EXPECT_THAT(shown(table.rows[2]), ElementsAre("constant answer", "0.500", "0.250", "0.375"));
  EXPECT_THAT(table.rules, ElementsAre(2));
  rows[2].metric = "f1";  // of two metrics there is no one bar
  table = tables_by_task(rows).at(0);
  EXPECT_THAT(shown(table.rows[2]), ElementsAre("constant answer", "0.500", "–", "–"));
}

TEST(ByTask, SaysWhereSeedsMetricsAndEvaluationDiffer) {
  std::vector<ComparisonRow> rows = two_methods();
  rows[1].runs.pop_back();
  rows[2].metric = "f1";
  rows[3].otherwise = {"eval.mode=rank"};
  const Table table = tables_by_task(rows).at(0);
  EXPECT_THAT(note(table, "scores"), ElementsAre("films: accuracy on test", "tweets: f1 on test or accuracy on test"));
  EXPECT_THAT(note(table, "seeds that differ between tasks"), ElementsAre("lora: seeds 1 on films; 1, 2 on tweets"));
  EXPECT_THAT(note(table, "* evaluated differently from the rest of the table"),
              ElementsAre("lora on tweets: eval.mode=rank"));
  // Only the column of films can be compared.
  EXPECT_THAT(shown(table.rows[0]), ElementsAre("ia3", "0.800 ± 0.010", "0.700 ± 0.010", "0.750"));
  EXPECT_THAT(shown(table.rows[1]), ElementsAre("lora *", "0.900 ± 0.010!", "0.600 ± 0.010", "0.750"));
}

TEST(ByTask, ManyTasksComeInParts) {
  std::vector<ComparisonRow> rows;
  for (int t = 0; t < 13; ++t) rows.push_back(task_row("lora", "task " + std::to_string(t), 0.5));
  const Table table = tables_by_task(rows).at(0);
  EXPECT_EQ(table.columns[6].part, 0);
  EXPECT_EQ(table.columns[7].part, 1);
  EXPECT_EQ(table.columns[13].part, 2);
  EXPECT_EQ(table.columns[14].part, 2);
}

TEST(ByTask, StandsInEveryForm) {
  const std::vector<ComparisonRow> rows = two_methods();
  EXPECT_THAT(comparison_text(rows), Not(HasSubstr("mean over tasks")));
  EXPECT_THAT(comparison_markdown(rows), Not(HasSubstr("mean over tasks")));
  EXPECT_THAT(comparison_text(rows, 0, true), AllOf(HasSubstr("\nmean over tasks (t5)\n\n"),
                                                    HasSubstr("lora    0.900 ± 0.010  0.600 ± 0.010  0.750\n")));
  EXPECT_THAT(comparison_markdown(rows, true), HasSubstr("\n| lora | 0.900 ± 0.010 | 0.600 ± 0.010 | 0.750 |\n"));
  EXPECT_THAT(comparison_latex(rows),
              AllOf(HasSubstr("    lora & \\textbf{0.900 ± 0.010} & 0.600 ± 0.010 & \\textbf{0.750} \\\\\n"),
                    HasSubstr("\\label{tab:films-on-t5}"), HasSubstr("\\label{tab:mean-over-tasks-t5}")));
  EXPECT_THAT(comparison_html(rows), HasSubstr("<td>0.600 ± 0.010<td><strong>0.750</strong>"));
}

TEST(ByTask, OtherProgramsGetPlainNumbers) {
  std::vector<ComparisonRow> rows = two_methods();
  rows.push_back(task_row("soft", "films", 0.125));
  EXPECT_EQ(
      render_csv(by_task_csv_table(rows)),
      "backbone,label,films,tweets,mean_over_tasks\nt5,ia3,0.8,0.7,0.75\nt5,lora,0.9,0.6,0.75\nt5,soft,0.125,,\n");
  const Json json = by_task_json(rows);
  ASSERT_THAT(json, SizeIs(3));
  EXPECT_EQ(json.at(2).dump(),
            R"({"backbone":"t5","label":"soft","scores":{"films":0.125,"tweets":null},"mean_over_tasks":null})");
  EXPECT_EQ(render_csv(by_task_csv_table({})), "backbone,label,mean_over_tasks\n");
  EXPECT_EQ(by_task_json({}), Json::array());
}

// The best scores are those of a section's own column too.
TEST(ByTask, TheScoreColumnOfATaskHasItsBest) {
  for (const Table& table : comparison_tables(two_methods())) {
    int best = 0;
    for (const std::vector<Cell>& row : table.rows)
      for (const Cell& cell : row) best += cell.best;
    EXPECT_EQ(best, 1) << table.title;
  }
}

}  // namespace
}  // namespace peftbench::by_task_test
