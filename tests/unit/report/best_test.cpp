#include "report/best.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <cmath>

namespace peftbench::best_test {

using namespace layers;

namespace {

ColumnScore accuracy(double value) { return {"accuracy on test", value}; }

TEST(Best, IsTheLargestAndWhatIsShownLikeIt) {
  EXPECT_EQ(best_scores({accuracy(0.7), accuracy(0.8004), accuracy(0.8), accuracy(0.7996)}),
            (std::vector<bool>{false, true, true, true}));
  EXPECT_EQ(best_scores({accuracy(-0.5), accuracy(-0.25), std::nullopt}), (std::vector<bool>{false, true, false}));
}

TEST(Best, NeedsTwoScoresOfOneKind) {
  EXPECT_EQ(best_scores({}), std::vector<bool>{});
  EXPECT_EQ(best_scores({std::nullopt, accuracy(0.7)}), (std::vector<bool>{false, false}));
  EXPECT_EQ(best_scores({accuracy(0.7), ColumnScore{"f1 on test", 0.8}}), (std::vector<bool>{false, false}));
}

TEST(Best, ARowWithoutAScoreOrEvaluatedOtherwiseIsNotCompared) {
  ComparisonRow row;
  row.metric = "accuracy";
  row.split = "test";
  EXPECT_FALSE(column_score(row));
  row.score = {2, std::nan(""), {}};
  EXPECT_FALSE(column_score(row));
  row.score = {2, 0.75, 0.01};
  ASSERT_TRUE(column_score(row));
  EXPECT_EQ(column_score(row)->kind, "accuracy on test");
  EXPECT_EQ(column_score(row)->value, 0.75);
  const OtherScore other = {"tweets", false, "f1", "validation", {1, 0.5, {}}, {}, {}, {}};
  EXPECT_EQ(column_score(row, other)->kind, "f1 on validation");
  row.otherwise = {"eval.mode=rank"};
  EXPECT_FALSE(column_score(row));
  EXPECT_FALSE(column_score(row, other));
}

TEST(Best, MarksCellsOfAColumn) {
  Table table({"method", right_column("score")});
  table.add({"a", "0.5"});
  table.add({"b", "0.6"});
  table.add({"constant answers", "0.9"});
  mark_best(table, 1, {accuracy(0.5), accuracy(0.6)});
  EXPECT_FALSE(table.rows[0][1].best);
  EXPECT_TRUE(table.rows[1][1].best);
  EXPECT_FALSE(table.rows[2][1].best);
  EXPECT_FALSE(table.rows[1][0].best);
}

}  // namespace
}  // namespace peftbench::best_test
