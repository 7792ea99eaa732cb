// A method that trains nothing goes the way of the others: a run, its record, its adapter, resuming, scoring again.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::untrained_test {

using namespace layers;

namespace {

using namespace testing_support;
using testing::HasSubstr;

class Untrained : public testing::Test {
 protected:
  void SetUp() override { task_ = write_task(scratch_); }
  std::vector<std::string> words(const std::string& out, const std::string& steps) const {
    return {"--method",   "prompt_design",
            "--task",     task_.string(),
            "--backbone", "t5-nano-lm",
            "--out",      (scratch_.path() / out).string(),
            "--seed",     "3",
            "--steps",    steps,
            "--set",      "shots=2",
            "--set",      "task.max_input_tokens=64",
            "--set",      "eval.mode=rank"};
  }
  fs::path finish(const std::string& out, const std::string& steps, const std::vector<std::string>& settings = {}) {
    std::vector<std::string> all = words(out, steps);
    for (const std::string& setting : settings) all.insert(all.end(), {"--set", setting});
    Program program(all, one_thread_);
    EXPECT_EQ(program.wait(), 0) << program.err();
    return only_run(scratch_.path() / out);
  }
  static nlohmann::json record(const fs::path& run) { return nlohmann::json::parse(file_text(run / "record.json")); }

  Scratch scratch_;
  fs::path task_;
  const std::vector<std::pair<std::string, std::string>> one_thread_ = {{"OMP_NUM_THREADS", "1"}};
};

TEST_F(Untrained, StepsHaveNoEffectAndTheRecordTellsTheTruth) {
  const fs::path run = finish("some", "5"), other = finish("more", "9");
  EXPECT_FALSE(file_text(run / "predictions.jsonl").empty());
  EXPECT_EQ(file_text(run / "predictions.jsonl"), file_text(other / "predictions.jsonl"));
  const nlohmann::json json = record(run);
  EXPECT_EQ(json.at("status"), "finished");
  EXPECT_EQ(json.at("training").at("steps"), 0);
  EXPECT_EQ(json.at("training").at("loss_before"), json.at("training").at("loss_after"));
  const nlohmann::json& ledger = json.at("ledger");
  for (const char* count : {"trained", "receiving_gradient", "stored", "inference", "bytes_stored"})
    EXPECT_EQ(ledger.at(count), 0) << count;
  EXPECT_GT(ledger.at("prompt_tokens"), 10);  // two shots of a few words each
  EXPECT_EQ(ledger.at("prompt_tokens"), ledger.at("added_encoder_length"));
  EXPECT_EQ(json.at("backbone").at("checksum_before"), json.at("backbone").at("checksum_after"));
}

TEST_F(Untrained, AKilledRunEndsWithTheSameAnswersAndIsScoredAgain) {
  const fs::path expected = finish("whole", "5");
  Program program(words("killed", "5"), one_thread_);
  if (program.runs_for(0.7)) program.kill(SIGKILL);
  const fs::path run = finish("killed", "5");
  EXPECT_EQ(record(run).at("predictions_hash"), record(expected).at("predictions_hash"));
  EXPECT_EQ(record(run).at("adapter_hash"), record(expected).at("adapter_hash"));

  Program again(words("killed", "5"), one_thread_);
  EXPECT_EQ(again.wait(), 0);
  EXPECT_THAT(again.out(), HasSubstr("prompt token ids"));

  Program eval({"eval", run.string(), "--json", "--out", (scratch_.path() / "killed").string()}, one_thread_);
  ASSERT_EQ(eval.wait(), 0) << eval.err();
  EXPECT_EQ(nlohmann::json::parse(eval.out()).at("metrics"), record(run).at("metrics"));
}

// peft-bench score sees in the file what the run saw.
TEST_F(Untrained, PredictionsOfARunAreScoredFromTheirFile) {
  const fs::path run = finish("some", "1");
  const auto scored = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"score", (run / "predictions.jsonl").string(), "--json", "--seed", "3"};
    all.insert(all.end(), more.begin(), more.end());
    Program program(all, one_thread_);
    EXPECT_EQ(program.wait(), 0) << program.err();
    return nlohmann::json::parse(program.out()).at(0);
  };
  const nlohmann::json own = record(run), again = scored({"--task", task_.string()});
  ASSERT_EQ(again.at("metrics").size(), own.at("metrics").size());
  for (std::size_t k = 0; k < own.at("metrics").size(); ++k)
    for (const char* key : {"name", "value", "n", "interval", "majority", "majority_answer"})
      EXPECT_EQ(again.at("metrics")[k].at(key), own.at("metrics")[k].at(key)) << key;
  EXPECT_EQ(own.at("answers"), "ranked");
  EXPECT_EQ(again.at("illegal_rate"), 0);
  EXPECT_EQ(scored({"--metrics", "squad_f1,squad_em"}).at("metrics")[0].at("name"), "squad_f1");
}

TEST_F(Untrained, WhatIsScoredMayBeCutElsewhere) {
  const auto loss = [&](const fs::path& run) { return record(run).at("training").at("loss_after").get<double>(); };
  const double whole = loss(finish("whole", "1")), both = loss(finish("both", "1", {"task.max_input_tokens=4"})),
               scored = loss(finish("scored", "1", {"eval.max_input_tokens=4"}));
  EXPECT_EQ(scored, both);
  EXPECT_NE(scored, whole);
}

}  // namespace
}  // namespace peftbench::untrained_test
