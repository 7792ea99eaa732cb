#include "report/score_grid.h"
#include "support/layers.h"

#include "report/comparison_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::score_grid_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

ComparisonRow row(const std::string& label, const std::string& task, double score, std::vector<OtherScore> others) {
  ComparisonRow result;
  result.label = result.method = label;
  result.task = task;
  result.backbone = "t5";
  result.metric = "accuracy";
  result.split = "test";
  result.score = {2, score, 0.01};
  result.majority = 0.5;
  result.runs = {{1, label, "finished", "", score}};
  result.others = std::move(others);
  return result;
}

OtherScore on(const std::string& task, double score, bool trained = false) {
  return {task, trained, "accuracy", "test", {2, score, 0.02}, Range{10, 10}, 0.6, 0.25};
}

// Those of numbers begin with '>'.
std::vector<std::string> titles(const Table& table) {
  std::vector<std::string> result;
  for (const Column& column : table.columns) result.push_back((column.align == Align::right ? ">" : "") + column.title);
  return result;
}

std::vector<std::vector<std::string>> lines(const Table& table) {
  std::vector<std::vector<std::string>> result;
  for (const std::vector<Cell>& row : table.rows) {
    result.emplace_back();
    for (const Cell& cell : row) result.back().push_back(cell.shown);
  }
  return result;
}

TEST(ScoreGridTest, HasAColumnForEachTask) {
  const auto grids = score_grids({row("lora", "films", 0.9, {on("tweets", 0.7)}),
                                  row("lora", "tweets", 0.8, {on("films", 0.75)}), row("ia3", "films", 0.6, {})});
  ASSERT_THAT(grids, SizeIs(1));
  EXPECT_EQ(grids[0].title, "scores on tasks other than the training task (t5)");
  EXPECT_THAT(titles(grids[0]), ElementsAre("trained on", "method", ">films", ">tweets"));
  EXPECT_THAT(lines(grids[0]), ElementsAre(ElementsAre("films", "lora", "0.900 ± 0.010", "0.700 ± 0.020"),
                                           ElementsAre("tweets", "lora", "0.750 ± 0.020", "0.800 ± 0.010"),
                                           ElementsAre("–", "constant answers", "0.500", "0.500")));
}

TEST(ScoreGridTest, MixturesHaveOneOfTheirOwn) {
  const auto grids = score_grids({row("lora", "mix", 0.8, {on("a", 0.9, true), on("b", 0.7, true), on("c", 0.5)})});
  ASSERT_THAT(grids, SizeIs(2));
  EXPECT_EQ(grids[0].title, "tasks of mixtures (t5)");
  EXPECT_THAT(titles(grids[0]), ElementsAre("trained on", "method", ">mix", ">a", ">b"));
  EXPECT_THAT(titles(grids[1]), ElementsAre("trained on", "method", ">mix", ">c"));
}

TEST(ScoreGridTest, RowsThatAreNotToldFromTheBestAreMarked) {
  std::vector<ComparisonRow> rows = {row("lora", "films", 0.9, {on("tweets", 0.7)}),
                                     row("lora", "tweets", 0.8, {on("films", 0.75)})};
  TableTests tests;
  const auto standing = [&](std::size_t row, bool best, bool tied) {
    Standing result;
    result.row = row;
    result.best = best;
    result.tied_with_best = tied;
    return result;
  };
  tests.grids = {{"films", false, standing(0, true, true)},
                 {"films", false, standing(1, false, true)},
                 {"tweets", false, standing(0, false, false)},
                 {"tweets", false, standing(1, true, true)},
                 {"tweets", true, standing(0, false, true)}};  // of the other grid
  add_standings(rows, tests);
  const auto grids = score_grids(rows);
  ASSERT_THAT(grids, SizeIs(1));
  std::vector<bool> tied;
  for (const std::vector<Cell>& line : grids[0].rows) tied.insert(tied.end(), {line[2].tied, line[3].tied});
  EXPECT_THAT(tied, ElementsAre(false, false, true, false, false, false));
  EXPECT_THAT(comparison_text(rows), HasSubstr("≈ not distinguishable from the best row on its task"));
}

TEST(ScoreGridTest, WithoutOtherTasksThereIsNone) {
  EXPECT_THAT(score_grids({row("lora", "films", 0.9, {})}), IsEmpty());
  EXPECT_THAT(score_grids({}), IsEmpty());
}

TEST(ScoreGridTest, StandsBelowTheTablesOfEveryForm) {
  const std::vector<ComparisonRow> rows = {row("lora", "films", 0.9, {on("tweets", 0.7)})};
  EXPECT_THAT(comparison_text(rows), HasSubstr("trained on  method"));
  EXPECT_THAT(comparison_markdown(rows), HasSubstr("| films | lora | 0.900 ± 0.010 | 0.700 ± 0.020 |"));
  EXPECT_THAT(comparison_csv(rows),
              HasSubstr("lora,lora,films → tweets,t5,accuracy,test,10,0.6,0.25,,,,,,,,,,,,,,0.7,0.02,"));
  EXPECT_EQ(comparison_json(rows).at(0).at("tasks").at(0).at("illegal_rate"), 0.25);
}

}  // namespace
}  // namespace peftbench::score_grid_test
