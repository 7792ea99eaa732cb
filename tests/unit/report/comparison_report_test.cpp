#include "report/comparison_report.h"
#include "support/layers.h"

#include "report/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

namespace peftbench::comparison_report_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

ComparisonRow sample() {
  ComparisonRow row;
  row.label = "lora, rank 8 | q and v";
  row.method = "lora";
  row.task = "movies";
  row.backbone = "t5-nano-lm";
  row.runs = {{1, "lora-1", "finished", "", 0.7},
              {2, "lora-2", "finished", "", 0.8},
              {3, "lora-3", "failed", "no \"memory\", sorry\n  found:    8 GiB\n  fix:      buy", {}}};
  row.metric = "accuracy";
  row.split = "test";
  row.score = {2, 0.75, 0.0707};
  row.examples = Range{500, 500};
  row.majority = 0.5333;
  row.illegal_rate = 0.002;
  row.percent = 0.3554;
  row.trained = Range{884736, 884736};
  row.receiving_gradient = Range{442368, 884736};
  row.stored = row.inference = row.trained;
  row.after_merge = Range{0, 0};
  row.bytes_stored = Range{3538944, 3538944};
  row.step_seconds = 0.0412;
  row.peak_memory_bytes = 312 << 20;
  return row;
}

std::vector<ComparisonRow> rows() {
  ComparisonRow none = sample();
  none.label = "soft";
  none.runs = {{1, "soft-1", "missing", "", {}}};
  none.score = {};
  none.majority = none.illegal_rate = none.percent = none.step_seconds = {};
  none.trained = none.receiving_gradient = none.stored = none.inference = none.after_merge = none.bytes_stored = {};
  none.peak_memory_bytes = {};
  return {sample(), none};
}

std::size_t widest(const std::string& text) {
  std::size_t widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, display_width(line));
  return widest;
}

TEST(ComparisonText, HoldsEveryFigureAndTheFailures) {
  const std::string text = comparison_text(rows());
  EXPECT_THAT(text, AllOf(HasSubstr("movies on t5-nano-lm: accuracy on 500 test examples\n"),
                          HasSubstr("0.750 ± 0.071"), HasSubstr("2 of 3"), HasSubstr("0.533"), HasSubstr("0.200 %"),
                          HasSubstr("41 ms"), HasSubstr("312 MiB"), HasSubstr("3,538,944"), HasSubstr("0.355 %")));
  EXPECT_THAT(text, HasSubstr("442,368–884,736"));
  EXPECT_THAT(text, ContainsRegex("soft +missing +0 of 1"));
  EXPECT_THAT(text, HasSubstr("lora, rank 8 | q and v, seed 3: failed: no \"memory\", sorry (8 GiB)\n"));
  EXPECT_THAT(text, Not(HasSubstr("buy")));
}

TEST(ComparisonText, ComesInTwoTablesWhereItIsTooWide) {
  EXPECT_GT(widest(comparison_text(rows())), 120u);
  const std::string text = comparison_text(rows(), 120);
  EXPECT_LE(widest(text), 120u);
  EXPECT_THAT(text, AllOf(HasSubstr("0.750 ± 0.071"), HasSubstr("442,368–884,736"), HasSubstr("after merging")));
}

TEST(ComparisonText, ShowsIdsOfTextPromptsWhereThereAreAny) {
  EXPECT_THAT(comparison_text(rows()), Not(HasSubstr("prompt ids")));
  std::vector<ComparisonRow> some = rows();
  some[1].prompt_tokens = Range{1900, 2000};
  EXPECT_THAT(comparison_text(some), AllOf(HasSubstr("prompt ids"), HasSubstr("1,900–2,000")));
}

TEST(ComparisonMarkdown, IsATableWhoseCellsHoldNoBar) {
  const std::string text = comparison_markdown(rows());
  EXPECT_THAT(text, HasSubstr("**movies on t5-nano-lm: accuracy on 500 test examples**\n\n| method | score |"));
  EXPECT_THAT(text, HasSubstr("\n| lora, rank 8 \\| q and v | 0.750 ± 0.071 | 2 of 3 |"));
  EXPECT_THAT(text, HasSubstr("\n- soft, seed 1: missing\n"));
}

TEST(ComparisonCsv, HasAsManyFieldsInEveryLineAndQuotesWhatNeedsIt) {
  const std::string text = comparison_csv(rows());
  EXPECT_THAT(text, AllOf(HasSubstr("\"lora, rank 8 | q and v\",lora,movies"),
                          HasSubstr("\"no \"\"memory\"\", sorry (8 GiB)\""), HasSubstr("442368-884736"),
                          HasSubstr(",0.75,0.0707,3,2,")));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    int fields = 1;
    bool quoted = false;
    for (const char c : line) {
      quoted ^= c == '"';
      fields += c == ',' && !quoted;
    }
    EXPECT_EQ(fields, 44) << line;
  }
}

// S17
TEST(Comparison, ARowThatIsEvaluatedOtherwiseIsMarkedInEveryForm) {
  std::vector<ComparisonRow> some = rows();
  some[0].answers = "generated";
  EXPECT_THAT(comparison_text(some), AllOf(Not(HasSubstr("*")), Not(HasSubstr("answers"))));
  some[1].answers = "ranked by mean";
  some[1].otherwise = {"eval.mode=rank (else greedy)", "eval.rank_score=mean"};
  const std::string differs = "soft: eval.mode=rank (else greedy), eval.rank_score=mean";
  EXPECT_THAT(comparison_text(some),
              AllOf(ContainsRegex("method +score +answers"), ContainsRegex("\nsoft \\* +missing +ranked by mean "),
                    HasSubstr("* evaluated differently from the rest of the table:\n  " + differs + "\n")));
  EXPECT_LE(widest(comparison_text(some, 120)), 120u);
  EXPECT_THAT(comparison_markdown(some), AllOf(HasSubstr("| soft \\* |"), HasSubstr("\n- " + differs)));
  EXPECT_THAT(comparison_csv(some),
              HasSubstr(",ranked by mean,\"eval.mode=rank (else greedy), eval.rank_score=mean\","));
  const Json json = comparison_json(some);
  EXPECT_EQ(json.at(1).at("evaluated_otherwise"), Json(some[1].otherwise));
  EXPECT_THAT(json.at(1).at("warnings").dump(),
              HasSubstr("evaluated differently from the rest of its table: eval.mode=rank"));
  EXPECT_EQ(json.at(0).at("warnings"), Json::array());
  EXPECT_EQ(json.at(0).at("evaluated_otherwise"), Json::array());
}

// hostile 6, S5
TEST(Comparison, WhatCannotBeReadAndWarningsStandBelowTheTables) {
  std::vector<ComparisonRow> some = rows();
  some[0].warnings = {"'lora-backup' is a copy of the run in 'lora-1', and is not counted again"};
  ComparisonRow damaged;
  damaged.label = "ia3-movies-s1-12";
  damaged.runs = {{0, damaged.label, "unreadable", "record.json is not a run record\n  found:    end of input", {}}};
  some.push_back(damaged);
  for (const std::string& text : {comparison_text(some), comparison_text(some, 120), comparison_markdown(some)}) {
    EXPECT_THAT(text, HasSubstr("0.750 ± 0.071"));
    EXPECT_THAT(text, HasSubstr("lora-backup"));
    EXPECT_THAT(text, HasSubstr("ia3-movies-s1-12: record.json is not a run record (end of input)"));
  }
  EXPECT_THAT(comparison_csv(some), HasSubstr("\nia3-movies-s1-12,"));
  EXPECT_EQ(comparison_json(some).at(2).at("runs").at(0).at("status"), "unreadable");
  EXPECT_EQ(comparison_json(some).at(0).at("warnings").size(), 1u);
}

TEST(Comparison, WhatSeveralRowsSayStandsInOneLine) {
  std::vector<ComparisonRow> some(12, sample());
  for (std::size_t i = 0; i < some.size(); ++i) {
    some[i].label = "r" + std::to_string(i);
    some[i].warnings = {"one row of the source is empty"};
    if (i < 2) some[i].warnings.push_back("never answers 'bad'");
    if (i < 10) some[i].warnings.push_back("its process was killed");
  }
  EXPECT_THAT(comparison_text(some),
              HasSubstr("  all rows: one row of the source is empty\n"
                        "  r0, r1: never answers 'bad'\n"
                        "  r0, r1, r2, r3, r4, r5, r6, r7 and 2 more: its process was killed\n"));
}

// hostile 20, 21: what comes from files of others is text in every form.
TEST(Comparison, NamesEndNoRowAndDoNothing) {
  ComparisonRow row = sample();
  row.label = "=1+1|<b>x</b>\n# title \x1b[31m";
  row.runs[2].message = "@sum\x1b]0;x\x07";
  const std::vector<ComparisonRow> some = {row};
  const std::string markdown = comparison_markdown(some);
  EXPECT_THAT(markdown, HasSubstr("\n| =1+1\\|&lt;b&gt;x&lt;/b&gt;\\\\n# title \\\\x1b\\[31m | 0.750"));
  EXPECT_THAT(comparison_csv(some),
              AllOf(HasSubstr("\n'=1+1|<b>x</b>\\n# title \\x1b[31m,lora,"), HasSubstr(",'@sum")));
  EXPECT_EQ(comparison_json(some).at(0).at("label"), row.label);
  EXPECT_THAT(comparison_text(some), HasSubstr("\n=1+1|<b>x</b>\\n# title \\x1b[31m "));
  for (const std::string& text : {markdown, comparison_csv(some), comparison_text(some)})
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(Comparison, OfAnUndefinedScoreNoDeviationIsInvented) {
  std::vector<ComparisonRow> some = rows();
  const double nan = std::nan("");
  some[0].score = {2, nan, nan};
  EXPECT_THAT(comparison_text(some), AllOf(HasSubstr("undefined"), Not(HasSubstr("± "))));
  EXPECT_THAT(comparison_csv(some), AllOf(HasSubstr(",,,3,2,"), Not(HasSubstr(",nan"))));
  EXPECT_TRUE(Json::parse(comparison_json(some).dump()).at(0).at("score").at("mean").is_null());
}

TEST(Comparison, OneSeedShowsItsOwnInterval) {
  std::vector<ComparisonRow> some = rows();
  some[0].score = {1, 0.518, {}};
  some[0].interval = Interval{0.496, 0.54};
  EXPECT_THAT(comparison_text(some), HasSubstr("0.518 [0.496, 0.540]"));
  EXPECT_THAT(comparison_markdown(some), HasSubstr("0.518 \\[0.496, 0.540\\]"));
  EXPECT_THAT(comparison_csv(some), AllOf(HasSubstr(",score_low,score_high,"), HasSubstr(",0.496,0.54,")));
  const Json json = comparison_json(some);
  EXPECT_EQ(json.at(0).at("score_low"), 0.496);
  EXPECT_EQ(json.at(0).at("score_high"), 0.54);
  EXPECT_TRUE(json.at(1).at("score_low").is_null());
}

TEST(ComparisonJson, HasNullForWhatIsNotKnown) {
  const Json json = comparison_json(rows());
  EXPECT_EQ(json.at(0).at("score"), (Json{{"mean", 0.75}, {"sd", 0.0707}, {"n", 2}}));
  EXPECT_EQ(json.at(0).at("receiving_gradient"), Json::array({442368, 884736}));
  EXPECT_EQ(json.at(0).at("trained"), 884736);
  EXPECT_EQ(json.at(0).at("runs").at(2).at("status"), "failed");
  EXPECT_TRUE(json.at(1).at("score").at("mean").is_null());
  EXPECT_TRUE(json.at(1).at("step_seconds").is_null());
}

}  // namespace
}  // namespace peftbench::comparison_report_test
