// `peft-bench compare`: two sets of answers that are written here.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace peftbench::compare_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;

// One answer for each sign: right where it is '+'.
struct Answers {
  std::string method, signs;
  int seed = 1;
  std::string task = "films";
  std::vector<std::string> metrics = {"accuracy"};
  std::map<std::string, std::string> others = {};  // by task that was not trained on
};

class Compare : public testing::Test {
 protected:
  // The folder of a finished run with these answers. A record of the corpus stands in for one of a real run.
  fs::path write_run(const Answers& of) const {
    json record = json::parse(file_text(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "tests/hostile/corpus/record/lora.json"));
    const std::string id = of.method + "-" + of.task + "-s" + std::to_string(of.seed) + "-0123456789";
    record["id"] = id;
    record["seed"] = of.seed;
    record["method"]["name"] = of.method;
    record["task"]["name"] = of.task;
    record["task"]["hash"] = "hash of " + of.task;
    record["task"]["labels"] = {"good", "bad"};
    record["config"] = {{"method", {{"name", of.method}}}, {"seed", of.seed}};
    const json another_task = record["tasks"].at(0);
    record["tasks"] = json::array();
    record["metrics"] = metrics_of(of.metrics, of.signs);
    for (const auto& [task, signs] : of.others) {
      const std::string file = "predictions-" + task + ".jsonl";
      json other = another_task;
      other["task"] = task;
      other["hash"] = "hash of " + task;
      other["trained"] = false;
      other["metrics"] = metrics_of(of.metrics, signs);
      other["predictions"] = file;
      other["labels"] = json::array({{{"label", "good"}}, {{"label", "bad"}}});
      record["tasks"].push_back(other);
      scratch_.write("runs/" + id + "/" + file, lines_of(signs));
    }
    scratch_.write("runs/" + id + "/record.json", record.dump());
    scratch_.write("runs/" + id + "/predictions.jsonl", lines_of(of.signs));
    return out_ / id;
  }
  static json metrics_of(const std::vector<std::string>& names, const std::string& signs) {
    const auto right = std::count(signs.begin(), signs.end(), '+');
    json metrics = json::array();
    for (const std::string& name : names)
      metrics.push_back({{"split", "test"},
                         {"name", name},
                         {"value", static_cast<double>(right) / static_cast<double>(signs.size())},
                         {"n", signs.size()},
                         {"interval", {0.125, 0.875}},
                         {"majority", 0.5},
                         {"majority_answer", "good"}});
    return metrics;
  }
  static std::string lines_of(const std::string& signs) {
    std::string lines;
    for (std::size_t i = 0; i < signs.size(); ++i) {
      const bool good = i % 2 == 0, correct = signs[i] == '+';
      lines += json{{"index", i},
                    {"origin", "films.csv:" + std::to_string(i + 2)},
                    {"prediction", good == correct ? "good" : "bad"},
                    {"label", good == correct ? 0 : 1},
                    {"target", good ? "good" : "bad"},
                    {"target_label", good ? 0 : 1},
                    {"correct", correct}}
                   .dump() +
               "\n";
    }
    return lines;
  }
  Printed compare(const std::string& a, const std::string& b, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"compare", a, b, "--out", out_.string()};
    words.insert(words.end(), more.begin(), more.end());
    return testing_support::run(words);
  }
  json compared(const std::string& a, const std::string& b) const {
    const Printed printed = compare(a, b, {"--json"});
    EXPECT_EQ(printed.status, 0) << printed.err;
    return json::parse(printed.status == 0 ? printed.out : "null");
  }
  // An error with what was found and expected.
  void expect_refusal(const std::string& a, const std::string& b, const std::vector<std::string>& words) const {
    const Printed printed = compare(a, b);
    EXPECT_EQ(printed.status, 2) << printed.out;
    EXPECT_EQ(printed.out, "");
    for (const std::string& word : words) EXPECT_THAT(printed.err, HasSubstr(word));
    EXPECT_THAT(printed.err, AllOf(HasSubstr("found:"), HasSubstr("fix:")));
  }
  // In a file of a run.
  static void change(const fs::path& file, const std::string& from, const std::string& to) {
    std::string text = file_text(file);
    ASSERT_NE(text.find(from), std::string::npos) << file;
    std::ofstream(file, std::ios::binary) << text.replace(text.find(from), from.size(), to);
  }

  Scratch scratch_;
  const fs::path out_ = scratch_.path() / "runs";
};

TEST_F(Compare, TwoRunsByTheirAnswers) {
  const fs::path a = write_run({"lora", "++++++++-+++"}), b = write_run({"ia3", "--------++++"});
  const json all = compared(a.string(), b.filename().string());
  EXPECT_THAT(all.at("warnings"), IsEmpty());
  EXPECT_TRUE(all.at("over_tasks").is_null());
  ASSERT_EQ(all.at("tasks").size(), 1u);
  const json task = all.at("tasks").at(0), metric = task.at("metrics").at(0);
  EXPECT_EQ(task.at("examples"), 12);
  EXPECT_EQ(task.at("runs").at(0).at("b"), "ia3-films-s1-0123456789");
  EXPECT_NEAR(metric.at("a").get<double>(), 11.0 / 12, 1e-12);
  EXPECT_NEAR(metric.at("b").get<double>(), 4.0 / 12, 1e-12);
  EXPECT_EQ(metric.at("a_interval"), json({0.125, 0.875})) << "one run has its record's";
  EXPECT_NEAR(metric.at("difference").get<double>(), 7.0 / 12, 1e-12);
  const double low = metric.at("interval").at(0), high = metric.at("interval").at(1);
  EXPECT_GT(low, 0);
  EXPECT_LT(low, 7.0 / 12);
  EXPECT_GT(high, 7.0 / 12);
  EXPECT_EQ(metric.at("only_a"), 8);
  EXPECT_EQ(metric.at("only_b"), 1);
  EXPECT_EQ(metric.at("test"), "McNemar, exact");
  EXPECT_NEAR(metric.at("p").get<double>(), 2.0 * 10 / 512, 1e-12);
  const Printed text = compare(a.string(), b.string());
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("films on t5-nano-lm: 12 test examples, seed 1"), HasSubstr("+0.583 ["),
                              HasSubstr("0.917 [0.125, 0.875]"), HasSubstr("0.0391"), HasSubstr("McNemar, exact")));
  EXPECT_EQ(compare(a.string(), b.string()).out, text.out);
}

TEST_F(Compare, RowsOverTheirSeeds) {
  for (int seed = 1; seed <= 5; ++seed) {
    write_run({"lora", "++++++++-+++", seed, "films", {"accuracy", "exact_match"}});
    write_run({"ia3", seed % 2 ? "--+-----++++" : "----+--+++++", seed, "films", {"accuracy", "exact_match"}});
  }
  write_run({"lora", "++++", 6, "films", {"accuracy", "exact_match"}});
  const json all = compared("lora", "ia3");
  ASSERT_EQ(all.at("warnings").size(), 1u);
  EXPECT_THAT(all.at("warnings").at(0).get<std::string>(), HasSubstr("A has 1, 2, 3, 4, 5, 6"));
  const json task = all.at("tasks").at(0);
  EXPECT_EQ(task.at("runs").size(), 5u);
  for (const json& metric : task.at("metrics")) {
    EXPECT_EQ(metric.at("test"), "crossed seeds and examples");
    const double p = metric.at("p");
    EXPECT_GT(p, 0);
    EXPECT_LT(p, 0.05);
    EXPECT_DOUBLE_EQ(metric.at("p_holm").get<double>(), 2 * p);
    EXPECT_EQ(metric.at("p_seeds"), 2.0 / 32) << "of five pairs, at best";
  }
  EXPECT_THAT(compare("lora", "ia3").out,
              AllOf(HasSubstr("seeds 1, 2, 3, 4, 5"), HasSubstr("p, Holm"), HasSubstr("p, seeds")));
}

TEST_F(Compare, ManyExamplesOfFewSeedsAreEnough) {
  std::string good, bad;
  for (int i = 0; i < 120; ++i) good += i % 10 ? '+' : '-', bad += i % 3 ? '-' : '+';
  for (const int seed : {1, 2}) {
    write_run({"lora", good, seed});
    write_run({"ia3", bad, seed});
  }
  const json metric = compared("lora", "ia3").at("tasks").at(0).at("metrics").at(0);
  EXPECT_EQ(metric.at("test"), "crossed seeds and examples");
  EXPECT_LT(metric.at("p").get<double>(), 0.001);
  EXPECT_GT(metric.at("p").get<double>(), 0);
  const fs::path a = write_run({"soft", good, 1, "films", {"macro_f1"}});
  const fs::path b = write_run({"wide", bad, 1, "films", {"macro_f1"}});
  const json exchanged = compared(a.string(), b.string()).at("tasks").at(0).at("metrics").at(0);
  EXPECT_EQ(exchanged.at("test"), "permutation of examples (these seeds only)");
  EXPECT_LT(exchanged.at("p").get<double>(), 0.001);
  EXPECT_TRUE(exchanged.at("p_seeds").is_null());
  const json same = compared("lora", "lora").at("tasks").at(0).at("metrics").at(0);
  EXPECT_EQ(same.at("p"), 1.0);
  EXPECT_EQ(same.at("interval"), json({0.0, 0.0}));
}

TEST_F(Compare, WhereNoTestCanTellItSaysSo) {
  const fs::path a = write_run({"lora", "++++++", 1, "films", {"macro_f1"}});
  const fs::path b = write_run({"ia3", "++++--", 2, "films", {"macro_f1"}});
  const json all = compared(a.string(), b.string());
  const json metric = all.at("tasks").at(0).at("metrics").at(0);
  EXPECT_EQ(metric.at("test"), "n too small");
  EXPECT_TRUE(metric.at("p").is_null());
  EXPECT_TRUE(metric.at("p_holm").is_null());
  EXPECT_EQ(metric.at("only_a"), 2);
  EXPECT_THAT(all.at("warnings"), IsEmpty()) << "here macro F1 is the share of right answers";
  change(b / "record.json", "\"value\":0.66", "\"value\":0.77");
  EXPECT_THAT(compared(a.string(), b.string()).at("warnings").at(0).get<std::string>(), HasSubstr("by its record"));
}

TEST_F(Compare, SixTasksAreTestedTogether) {
  for (const char* task : {"a", "b", "c", "d", "e", "f"}) {
    const std::string more(1 + task[0] - 'a', '+'), less(1 + task[0] - 'a', '-');
    write_run({"lora", more + "++++----", 1, task});
    write_run({"ia3", less + "++++----", 1, task});
  }
  const json over = compared("lora", "ia3").at("over_tasks");
  EXPECT_EQ(over.at("tasks"), 6);
  EXPECT_EQ(over.at("test"), "Wilcoxon signed-rank, exact");
  EXPECT_EQ(over.at("p"), 2.0 / 64);
  EXPECT_THAT(compare("lora", "ia3").out,
              ContainsRegex("over 6 tasks, first metrics: A − B \\+0\\.[0-9]+ on average, p 0\\.0312"));
}

TEST_F(Compare, WhatDoesNotPairIsRefused) {
  const fs::path a = write_run({"lora", "++++"}), b = write_run({"ia3", "+--+"});
  change(b / "predictions.jsonl", "films.csv:4", "films.csv:9");
  expect_refusal(a.string(), b.string(), {"different examples", "index 2, films.csv:9", "index 2, films.csv:4"});
  write_run({"ia3", "+--"});
  expect_refusal(a.string(), b.string(), {"no such example", "index 3, films.csv:5"});
  write_run({"ia3", "+--++"});
  expect_refusal(a.string(), b.string(), {"no such example", "index 4, films.csv:6"});
  write_run({"ia3", "+--+"});
  change(b / "record.json", "hash of films", "hash of others");
  expect_refusal(a.string(), b.string(), {"different data of 'films'", "hash of others"});
  write_run({"ia3", "+--+"});
  change(b / "record.json", "\"split\":\"test\"", "\"split\":\"validation\"");
  expect_refusal(a.string(), b.string(), {"different splits", "validation"});
  expect_refusal(a.string(), write_run({"ia3", "+--+", 1, "books"}).string(), {"different tasks", "books"});
  write_run({"ia3", "+--+"});
  change(b / "record.json", "\"status\":\"finished\"", "\"status\":\"failed\"");
  const Printed unfinished = compare(a.string(), b.string());
  EXPECT_EQ(unfinished.status, 2);
  EXPECT_THAT(unfinished.err, HasSubstr("the run has not finished"));
  expect_refusal("lora", "lorra", {"no run or row 'lorra'", "did you mean 'lora'"});
}

// `report` of the same folder.
class TestedReport : public Compare {
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

// Errors are as frequent for both labels, so that macro F1 is the share of right answers that the records have.
TEST_F(Compare, TablesOfMetricsThatAreNoMeansAreTestedToo) {
  std::string good, bad;
  for (int i = 0; i < 120; ++i) good += i % 20 < 2 ? '-' : '+', bad += i % 4 < 2 ? '-' : '+';
  for (const int seed : {1, 2}) {
    write_run({"lora", good, seed, "films", {"macro_f1"}});
    write_run({"ia3", seed == 1 ? bad : bad.substr(1) + bad.front(), seed, "films", {"macro_f1"}});
  }
  write_run({"lora", good, 1, "books", {"macro_f1"}});
  write_run({"ia3", bad, 1, "books", {"macro_f1"}});
  const Printed printed = testing_support::run({"report", out_.string(), "--pairs", "--json"});
  ASSERT_EQ(printed.status, 0) << printed.err;
  const json pairs = json::parse(printed.out);
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs.at(0).at("test"), "permutation of examples (these seeds only)");
  EXPECT_EQ(pairs.at(1).at("test"), "crossed seeds and examples");
  for (const json& pair : pairs) {
    EXPECT_NEAR(pair.at("difference").get<double>(), -0.4, 1e-9);
    EXPECT_LT(pair.at("p_holm").get<double>(), 0.01);
    EXPECT_LT(pair.at("difference_high").get<double>(), 0);
  }
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
}  // namespace peftbench::compare_test
