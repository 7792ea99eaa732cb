// `peft-bench compare`: two sets of answers that are written here.
#include "cli/answers_fixture.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::compare_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;

class Compare : public WrittenRuns {
 protected:
  // An error with what was found and expected.
  void expect_refusal(const std::string& a, const std::string& b, const std::vector<std::string>& words) const {
    const Printed printed = compare(a, b);
    EXPECT_EQ(printed.status, 2) << printed.out;
    EXPECT_EQ(printed.out, "");
    for (const std::string& word : words) EXPECT_THAT(printed.err, HasSubstr(word));
    EXPECT_THAT(printed.err, AllOf(HasSubstr("found:"), HasSubstr("fix:")));
  }
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

}  // namespace
}  // namespace peftbench::compare_test
