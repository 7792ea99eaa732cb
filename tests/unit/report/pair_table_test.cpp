// What tests tell of rows: marks, ranks, notes, and the table of pairs.
#include "report/pair_table.h"

#include "report/comparison_report.h"
#include "report/render.h"
#include "report/test_notes.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::pair_table_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

ComparisonRow row_of(const std::string& label, double score) {
  ComparisonRow row;
  row.label = row.method = label;
  row.task = "films";
  row.backbone = "t5";
  row.metric = "accuracy";
  row.split = "test";
  row.score = {2, score, 0.01};
  row.examples = Range{500, 500};
  row.runs = {{1, label + "-1", "finished", "", score}, {2, label + "-2", "finished", "", score}};
  return row;
}

struct Report {
  std::vector<ComparisonRow> rows = {row_of("ia3", 0.75), row_of("lora", 0.8), row_of("soft", 0.5), row_of("old", 0.7)};
  PageOptions options;

  Report() {
    const auto pair = [&](std::size_t a, std::size_t b, std::optional<double> p) {
      PairTest test;
      test.a = a;
      test.b = b;
      test.seeds = 2;
      test.examples = 500;
      test.difference = rows[a].score.mean - rows[b].score.mean;
      test.interval = Interval{test.difference - 0.05, test.difference + 0.05};
      test.p = p;
      test.test = p ? "crossed seeds and examples" : "no variation";
      options.tests.pairs.push_back(test);
    };
    pair(0, 1, 0.5);
    pair(0, 2, 1e-7);
    pair(1, 2, std::nullopt);
    adjust_pairs(options.tests.pairs);
    std::vector<RankedRow> ranked;
    for (std::size_t r = 0; r < 3; ++r)
      ranked.push_back({r, rows[r].score.mean, 2, 500, Interval{rows[r].score.mean - 0.02, rows[r].score.mean + 0.02}});
    options.tests.standings = standings_of(ranked, options.tests.pairs);
    options.tests.untested = {{3, "the predictions of old-1 are missing"}};
    options.tests.notes = {"tweets on t5: 41 rows, more than 40, are not tested; --tests all does it"};
    add_standings(rows, options.tests);
  }
};

TEST(TestedTable, ShowsIntervalsRanksAndTies) {
  const Report report;
  const std::string text = comparison_text(report.rows, 0, false, report.options);
  EXPECT_THAT(text, AllOf(ContainsRegex("\nia3 +0.750 ± 0.010 \\[0.730, 0.770\\] ≈ +1–2 "),
                          ContainsRegex("\nlora +0.800 ± 0.010 \\[0.780, 0.820\\]    +1–3 "),
                          ContainsRegex("\nsoft +0.500 ± 0.010 \\[0.480, 0.520\\] ≈ +2–3 "),
                          ContainsRegex("\nold +0.700 ± 0.010    +– ")));
  EXPECT_THAT(text, AllOf(HasSubstr("\n  ≈ not distinguishable from the best row of the table\n"),
                          HasSubstr("all 2 pairs of the report; tests: crossed seeds and examples\n"),
                          HasSubstr("\n  old: the predictions of old-1 are missing\n"),
                          HasSubstr("tweets on t5: 41 rows"), Not(HasSubstr("n too small"))));
}

TEST(TestedTable, OtherFormsHaveTheirMarks) {
  const Report report;
  EXPECT_THAT(comparison_markdown(report.rows, false, report.options),
              AllOf(HasSubstr("| ia3 | 0.750 ± 0.010 \\[0.730, 0.770\\] ≈ | 1–2 |"), HasSubstr("\n- ≈ not disting")));
  EXPECT_THAT(comparison_latex(report.rows, report.options),
              AllOf(HasSubstr(" [0.730, 0.770]\\textsuperscript{\\textdagger} & 1–2 &"),
                    HasSubstr("\\textbullet{} † not distinguishable"), Not(HasSubstr("≈"))));
  EXPECT_THAT(
      comparison_html(report.rows, report.options),
      AllOf(HasSubstr("[0.730, 0.770]<sup>†</sup>"), HasSubstr("<li>† not distinguishable"), Not(HasSubstr("≈"))));
  const Json json = comparison_json(report.rows);
  EXPECT_EQ(json.at(0).at("rank_low"), 1);
  EXPECT_EQ(json.at(0).at("rank_high"), 2);
  EXPECT_EQ(json.at(0).at("tied_with_best"), true);
  EXPECT_EQ(json.at(0).at("too_small"), false);
  EXPECT_EQ(json.at(0).at("score_low"), 0.73);
  EXPECT_TRUE(json.at(3).at("rank_low").is_null());
  EXPECT_THAT(comparison_csv(report.rows), HasSubstr(",rank_low,rank_high,tied_with_best,too_small\n"));
}

TEST(TestedTable, WhereNoTestCanTellItSaysSo) {
  Report report;
  for (Standing& standing : report.options.tests.standings) standing.too_small = true;
  add_standings(report.rows, report.options.tests);
  EXPECT_THAT(comparison_text(report.rows, 0, false, report.options),
              AllOf(ContainsRegex("\nsoft .*≈ +n too small "), HasSubstr("fewer than 5 seeds and under 100 examples")));
}

TEST(TestedTable, WithoutTestsNothingIsSaid) {
  Report report;
  for (ComparisonRow& row : report.rows) row.standing.reset();
  const std::string text = comparison_text(report.rows);
  EXPECT_THAT(text, AllOf(Not(HasSubstr("rank")), Not(HasSubstr("≈")), Not(HasSubstr("tests"))));
}

TEST(PairTable, HasALineForEachPair) {
  const Report report;
  const std::vector<Table> tables = pair_tables(report.rows, report.options.tests);
  ASSERT_EQ(tables.size(), 2u);
  const std::string text = render_text(tables.front());
  EXPECT_THAT(text, AllOf(HasSubstr("pairs of rows: films on t5, accuracy on test\n"),
                          ContainsRegex("\nia3 +lora +-0.050 \\[-0.100, [+-]0.000\\] +0.5000 +0.5000 +2 +500 +crossed"),
                          ContainsRegex("\nia3 +soft +\\+0.250 \\[\\+0.200, \\+0.300\\] +< 0.0001 +< 0.0001 "),
                          ContainsRegex("\nlora +soft .* – +– +2 +500 +no variation\n"),
                          HasSubstr("old: the predictions of old-1 are missing"), Not(HasSubstr("≈"))));
  EXPECT_THAT(render_text(tables.back()), HasSubstr("tweets on t5: 41 rows"));
  const Table data = pair_data_table(report.rows, report.options.tests);
  EXPECT_THAT(render_csv(data),
              AllOf(HasSubstr("task,backbone,metric,split,a,b,score_a,score_b,difference,difference_low,"
                              "difference_high,p,p_holm,seeds,examples,test\n"),
                    HasSubstr("\nfilms,t5,accuracy,test,ia3,soft,0.75,0.5,0.25,")));
  const Json json = render_json(data);
  EXPECT_EQ(json.at(1).at("p"), 1e-7);
  EXPECT_EQ(json.at(1).at("p_holm"), 2e-7);
  EXPECT_TRUE(json.at(2).at("p").is_null());
  EXPECT_TRUE(pair_tables(report.rows, {}).empty());
}

}  // namespace
}  // namespace peftbench::pair_table_test
