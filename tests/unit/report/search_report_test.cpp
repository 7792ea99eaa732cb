#include "report/search_report.h"
#include "report/comparison_report.h"
#include "report/render.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::search_report_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

ComparisonRow searched_row() {
  ComparisonRow row;
  row.label = row.method = "lora";
  row.task = "movies";
  row.backbone = "t5";
  SearchResult search;
  search.row = "lora";
  search.task = "movies";
  search.metric = "accuracy";
  search.planned = 4;
  search.trials = {{"a", "finished", {{"rank", 8}}, 0.5, 1},
                   {"b", "finished", {{"rank", 4}}, 0.75, 2},
                   {"c", "finished", {{"rank", 16}}, 0.5, 3},
                   {"d", "failed", {{"rank", 32}}, {}, 4, 0, "training diverged\nfound: a loss of nan\nexpected: x"}};
  search.chosen = 1;
  search.expected_best = {0.6, 0.65, 0.7};
  search.edges = {"rank=4"};
  row.search = search;
  return row;
}

TEST(SearchReport, IsATableBelowTheOthers) {
  const std::string text = comparison_text({searched_row()});
  EXPECT_THAT(text, AllOf(HasSubstr("best of 1"), HasSubstr("best of 2"), HasSubstr("best of 3"),
                          ContainsRegex("lora +movies +3 of 4 +accuracy +0.750 +0.600 +0.650 +0.700 +rank=4 +trial 2: "
                                        "rank=4"),
                          HasSubstr("lora on movies, trial 4 (rank=32): failed: training diverged")));
  EXPECT_TRUE(search_tables({ComparisonRow()}).empty());
}

TEST(SearchReport, JsonHasTheTrials) {
  const Json rows = comparison_json({searched_row(), ComparisonRow()});
  const Json& search = rows.at(0).at("search");
  EXPECT_EQ(search.at("chosen"), 2);
  EXPECT_EQ(search.at("values").at("rank"), 4);
  EXPECT_EQ(search.at("trials").size(), 4u);
  EXPECT_TRUE(search.at("trials").at(3).at("score").is_null());
  EXPECT_EQ(search.at("edges").at(0), "rank=4");
  EXPECT_FALSE(rows.at(1).contains("search"));
}

}  // namespace
}  // namespace peftbench::search_report_test
