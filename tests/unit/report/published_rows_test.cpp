#include "report/published_rows.h"
#include "support/layers.h"

#include "report/by_task.h"
#include "report/comparison_report.h"
#include "report/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::published_rows_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

ComparisonRow scored(const std::string& label, const std::string& task, double score) {
  ComparisonRow row;
  row.label = row.method = label;
  row.task = task;
  row.backbone = "t5";
  row.metric = "accuracy";
  row.split = "test";
  row.majority = 0.5;
  row.runs = {{1, label + task, "finished", "", score}};
  row.score = {1, score, {}};
  return row;
}

std::vector<ComparisonRow> rows() {
  return {scored("ia3", "films", 0.8), scored("lora", "films", 0.9), scored("ia3", "tweets", 0.7),
          scored("lora", "tweets", 0.6)};
}

std::vector<PublishedScore> published() {
  return {{"prompt tuning", "films", "accuracy", "T5 XXL", "A paper, table 1", 0.95},
          {"prompt tuning", "tweets", "f1", "T5 XXL", "A paper, table 1", 0.99},
          {"soft words", "films", "accuracy", "BERT", "Another <paper>", 0.85},
          {"soft words", "tweets", "accuracy", "BERT", "Another <paper>", 0.75},
          {"soft words", "books", "accuracy", "BERT", "Another <paper>", 0.1}};
}

std::vector<std::string> shown(const std::vector<Cell>& cells) {
  std::vector<std::string> result;
  for (const Cell& cell : cells) result.push_back(cell.shown + (cell.best ? "!" : ""));
  return result;
}

TEST(Published, StandsBelowARuleAndIsNeverTheBest) {
  PageOptions options;
  options.published = published();
  const Table films = comparison_tables(rows(), false, options).at(0);
  ASSERT_EQ(films.rows.size(), 4u);
  EXPECT_THAT(films.rules, ElementsAre(2));
  EXPECT_TRUE(films.rows[1][1].best);
  EXPECT_EQ(films.rows[2][0].shown, "prompt tuning (T5 XXL) [1]");
  EXPECT_EQ(films.rows[2][1].shown, "0.950");
  EXPECT_FALSE(films.rows[2][1].best);
  EXPECT_EQ(films.rows[2][2].shown, "–");
  EXPECT_EQ(films.rows[3][0].shown, "soft words (BERT) [2]");
  EXPECT_EQ(films.notes.back().title, "published scores, of other sizes or backbones and not measured here");
  EXPECT_THAT(films.notes.back().lines, ElementsAre("[1] A paper, table 1", "[2] Another <paper>"));
}

TEST(Published, AnotherMetricIsSaidAndHasNoMean) {
  const Table table = tables_by_task(rows(), published()).at(0);
  ASSERT_EQ(table.rows.size(), 5u);
  EXPECT_THAT(shown(table.rows[2]), ElementsAre("constant answer", "0.500", "0.500", "0.500"));
  EXPECT_THAT(shown(table.rows[3]), ElementsAre("prompt tuning (T5 XXL) [1]", "0.950", "0.990 (f1)", "–"));
  EXPECT_THAT(shown(table.rows[4]), ElementsAre("soft words (BERT) [2]", "0.850", "0.750", "0.800"));
  EXPECT_THAT(table.rules, ElementsAre(2, 3));
}

TEST(Published, StandsInEveryForm) {
  PageOptions options;
  options.published = published();
  EXPECT_THAT(comparison_text(rows(), 0, true, options),
              AllOf(HasSubstr("\n──────"), HasSubstr("soft words (BERT) [2]"), HasSubstr("  [1] A paper, table 1\n")));
  EXPECT_THAT(comparison_markdown(rows(), true, options),
              AllOf(HasSubstr("\n| | | | |\n| constant answer | 0.500 | 0.500 | 0.500 |\n| | | | |\n| prompt tuning"),
                    HasSubstr("\n- \\[2\\] Another &lt;paper&gt;\n")));
  EXPECT_THAT(comparison_latex(rows(), options),
              AllOf(HasSubstr("\n    \\midrule\n    constant answer & "),
                    HasSubstr("\n    \\midrule\n    prompt tuning (T5 XXL) [1] & ")));
  EXPECT_THAT(comparison_html(rows(), options),
              AllOf(HasSubstr("</tbody>\n<tbody>\n<tr><th scope=\"row\">prompt tuning (T5 XXL) [1]</th>"),
                    HasSubstr("Another &lt;paper&gt;")));
  EXPECT_THAT(comparison_text(rows(), 0, true), AllOf(Not(HasSubstr("prompt tuning")), HasSubstr("constant answer")));
}

TEST(Published, IsNotInAPartWhereItHasNothing) {
  PageOptions options;
  options.published = published();
  const std::string text = comparison_text(rows(), 60, false, options);
  const std::size_t first = text.find("soft words (BERT) [2]"), counts = text.find("after merging");
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(counts, std::string::npos);
  EXPECT_EQ(text.substr(counts, text.find("published scores", counts) - counts).find("soft words"), std::string::npos);
}

TEST(Published, WhatHasNoTaskHereIsNamed) {
  EXPECT_THAT(not_shown(rows(), published()), ElementsAre(AllOf(HasSubstr("soft words"), HasSubstr("books"))));
  EXPECT_THAT(not_shown(rows(), {}), IsEmpty());
  Table table({"method", "score"});
  table.add({"lora", "0.5"});
  add_published(table, {{"parity", "accuracy", 1}}, std::nullopt, published());
  EXPECT_EQ(table.rows.size(), 1u);
  EXPECT_THAT(table.rules, IsEmpty());
  EXPECT_THAT(table.notes, IsEmpty());
}

}  // namespace
}  // namespace peftbench::published_rows_test
