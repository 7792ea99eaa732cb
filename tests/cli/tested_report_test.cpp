// The tests of a report's tables: runs whose answers are written here.
#include "cli/answers_fixture.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace peftbench::tested_report_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

class TestedReport : public WrittenRuns {
 protected:
  // 120 answers: right but for those whose place has this rest by ten.
  static std::string wrong_at(const std::vector<int>& rests, int seed) {
    std::string signs;
    for (int i = 0; i < 120; ++i)
      signs += std::find(rests.begin(), rests.end(), (i + (i % 7 == seed ? 1 : 0)) % 10) != rests.end() ? '-' : '+';
    return signs;
  }
  void SetUp() override {
    for (int seed = 1; seed <= 5; ++seed) {
      write_run({"best", wrong_at({1}, seed), seed});
      write_run({"like", wrong_at({2}, seed), seed});
      write_run({"worse", wrong_at({1, 3, 4, 5, 6, 7}, seed), seed});
    }
  }
  Printed report(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"report", out_.string()};
    words.insert(words.end(), more.begin(), more.end());
    return testing_support::run(words);
  }
  json rows(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Printed printed = report(words);
    EXPECT_EQ(printed.status, 0) << printed.err;
    return json::parse(printed.status == 0 ? printed.out : "null");
  }
};

TEST_F(TestedReport, RowsHaveIntervalsRanksAndTies) {
  const json all = rows();
  ASSERT_EQ(all.size(), 3u);
  for (const int row : {0, 1}) {
    EXPECT_EQ(all.at(row).at("rank_low"), 1) << row;
    EXPECT_EQ(all.at(row).at("rank_high"), 2) << row;
    EXPECT_EQ(all.at(row).at("tied_with_best"), true);
    const double mean = all.at(row).at("score").at("mean");
    EXPECT_LT(all.at(row).at("score_low").get<double>(), mean);
    EXPECT_GT(all.at(row).at("score_high").get<double>(), mean);
  }
  EXPECT_EQ(all.at(2).at("label"), "worse");
  EXPECT_EQ(all.at(2).at("rank_low"), 3);
  EXPECT_EQ(all.at(2).at("rank_high"), 3);
  EXPECT_EQ(all.at(2).at("tied_with_best"), false);
  EXPECT_EQ(all.at(2).at("too_small"), false);
  EXPECT_THAT(
      report().out,
      AllOf(ContainsRegex("(best|like) +0\\.[0-9]+ ± 0\\.[0-9]+ \\[0\\.[0-9]+, [01]\\.[0-9]+\\] +≈ +1–2 |≈ +1–2 "),
            HasSubstr("≈ not distinguishable"), HasSubstr("all 3 pairs of the report")));
  EXPECT_EQ(report().out, report().out);
  const json untested = rows({"--tests", "none"});
  EXPECT_TRUE(untested.at(0).at("rank_low").is_null());
  EXPECT_TRUE(untested.at(0).at("score_low").is_null());
}

// A method trained on another task is compared with those that were trained on this one. Their pairs are adjusted
// apart.
TEST_F(TestedReport, ScoresOnOtherTasksAreMarkedInTheirGrid) {
  for (int seed = 1; seed <= 5; ++seed) {
    write_run({"best", wrong_at({1}, seed), seed, "films", {"accuracy"}, {{"tweets", wrong_at({2}, seed)}}});
    write_run({"worse",
               wrong_at({1, 3, 4, 5, 6}, seed),
               seed,
               "films",
               {"accuracy"},
               {{"tweets", wrong_at({2, 3, 4, 5, 6}, seed)}}});
    write_run({"best", wrong_at({3}, seed), seed, "tweets", {"accuracy"}, {{"films", wrong_at({4}, seed)}}});
  }
  const std::string text = report().out;
  const std::size_t grid = text.find("scores on tasks other than the training task");
  ASSERT_NE(grid, std::string::npos) << text;
  const std::string shown = text.substr(grid), one = " +0\\.[0-9]+ ± 0\\.[0-9]+";
  // Of the two that cannot be told apart the one with the larger score is the best, and has no mark.
  EXPECT_THAT(shown, ContainsRegex("\nfilms +worse" + one + " +" + one + "( +)?\n"));
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\x88'), 3) << "a mark in each column, and its meaning: " << shown;
  EXPECT_THAT(shown, HasSubstr("  ≈ not distinguishable from the best row on its task: p ≥ 0.05"));
  EXPECT_THAT(text.substr(0, grid), HasSubstr("all 3 pairs of the report"));
  EXPECT_EQ(report({"--tests", "none"}).out.find("≈"), std::string::npos);
  fs::remove(out_ / "best-tweets-s2-0123456789/predictions-films.jsonl");
  EXPECT_THAT(report().out, HasSubstr("best trained on tweets, t5"));
  EXPECT_THAT(report().out,
              HasSubstr("is not tested on other tasks: the predictions of best-tweets-s2-0123456789 are missing"));
}

TEST_F(TestedReport, PairsHaveThePOfCompare) {
  const json pairs = rows({"--pairs"});
  ASSERT_EQ(pairs.size(), 3u);
  for (const json& pair : pairs) {
    const json metric = compared(pair.at("a"), pair.at("b")).at("tasks").at(0).at("metrics").at(0);
    EXPECT_EQ(pair.at("p"), metric.at("p"));
    EXPECT_NEAR(pair.at("difference").get<double>(), metric.at("difference").get<double>(), 1e-12);
    EXPECT_EQ(pair.at("test"), "crossed seeds and examples");
    EXPECT_GE(pair.at("p_holm"), pair.at("p"));
    EXPECT_EQ(pair.at("seeds"), 5);
    EXPECT_EQ(pair.at("examples"), 120);
    EXPECT_LE(pair.at("difference_low"), pair.at("difference"));
    EXPECT_GE(pair.at("difference_high"), pair.at("difference"));
  }
  for (const char* form : {"text", "markdown", "csv", "latex", "html"}) {
    const Printed printed = report({"--pairs", "--format", form});
    EXPECT_EQ(printed.status, 0) << printed.err;
    EXPECT_THAT(printed.out, AllOf(HasSubstr("worse"), HasSubstr("crossed seeds and examples"))) << form;
  }
}

TEST_F(TestedReport, ARowThatIsNotAsItsRecordsSayIsLeftOut) {
  change(out_ / "worse-films-s2-0123456789" / "predictions.jsonl", "\"prediction\":\"bad\"", "\"prediction\":\"good\"");
  change(out_ / "worse-films-s2-0123456789" / "predictions.jsonl", "\"label\":1", "\"label\":0");
  fs::remove(out_ / "like-films-s3-0123456789" / "predictions.jsonl");
  write_run({"other", wrong_at({1}, 1) + "+", 1});
  write_run({"single", wrong_at({1, 2, 3, 4, 5, 6, 7}, 1), 1});
  const json all = rows();
  ASSERT_EQ(all.size(), 5u);
  const std::vector<bool> tested = {true, false, false, true, false};  // best, like, other, single, worse
  for (std::size_t r = 0; r < all.size(); ++r)
    EXPECT_EQ(!all.at(r).at("rank_low").is_null(), tested[r]) << all.at(r).at("label");
  EXPECT_EQ(rows({"--pairs"}).size(), 1u);
  EXPECT_EQ(rows({"--pairs"}).at(0).at("test"), "crossed seeds and examples, one row with one seed");
  EXPECT_THAT(report().out, AllOf(HasSubstr("like: the predictions of like-films-s3-0123456789 are missing"),
                                  HasSubstr("other: the runs were scored on different examples"),
                                  ContainsRegex("worse: accuracy of worse-films-s2-0123456789 is 0.* by its record")));
}

TEST_F(TestedReport, FewSeedsOfFewExamplesAreTooSmall) {
  for (const char* method : {"lora", "ia3"})
    for (const int seed : {1, 2}) write_run({method, seed == 1 ? "++++----" : "+++-----", seed, "books"});
  const json all = rows();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all.at(0).at("task"), "books");
  EXPECT_EQ(all.at(0).at("too_small"), true);
  EXPECT_EQ(all.at(0).at("tied_with_best"), true);
  EXPECT_THAT(report().out, ContainsRegex("n too small"));
  EXPECT_EQ(rows({"--pairs"}).at(0).at("test"), "n too small");
}

}  // namespace
}  // namespace peftbench::tested_report_test
