// Searches with one budget, as a user sees them.
#include "cli/suite_fixture.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>

namespace peftbench::search_cli_test {

using namespace layers;
using testing_support::run;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

// Two methods and a control that trains nothing; three trials, two final seeds.
class Search : public SuiteFixture {
 protected:
  fs::path write_search(const std::string& search, const std::string& steps = "6") const {
    return scratch_.write("mine.yaml", "tasks: [" + write_task(scratch_).string() +
                                           "]\nbackbones: [t5-nano-lm]\nseeds: [1, 2]\nsearch: " + search +
                                           "\ndefaults:\n  threads: 1\n  train: {steps: " + steps +
                                           ", batch_size: 4, evaluate_every: 0, checkpoint_every: 2, dropout: 0}\n"
                                           "  eval: {examples: 12}\nrows:\n"
                                           "  - {method: prompt_tuning, space: {length: {choices: [2, 4]}}}\n"
                                           "  - {method: ia3, train: {unlikelihood_weight: 0, "
                                           "length_normalised_weight: 0}}\n"
                                           "  - {method: prompt_design, set: {shots: 0}}\n");
  }
  // What results are, without times: by run, of all runs that the folder has.
  std::map<std::string, json> results(const fs::path& folder) const {
    std::map<std::string, json> all;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (!fs::exists(entry.path() / "record.json")) continue;
      const json made = json::parse(file_text(entry.path() / "record.json"));
      all[made.at("id")] = {made.at("status"), made.at("metrics"), made.at("config"), made.at("predictions_hash")};
    }
    return all;
  }
};

TEST_F(Search, TrialsChooseOnValidationAndTheFinalRunsScoreOnTest) {
  const fs::path file = write_search("{trials: 3}");
  const Printed dry = run(suite(file, {"--dry-run"}));
  ASSERT_EQ(dry.status, 0) << dry.err;
  EXPECT_THAT(dry.out, AllOf(ContainsRegex("prompt_tuning +parity +t5-nano-lm +3 +2 +0 +6 +4"),
                             ContainsRegex("prompt_design +parity +t5-nano-lm +– +2 +0"),
                             HasSubstr("prompt_tuning on parity, t5-nano-lm: "), HasSubstr("length 2, 4"),
                             HasSubstr("train.learning_rate log "), HasSubstr("12 of 12 runs remain")));
  EXPECT_FALSE(fs::exists(out_));

  const Printed printed = run(suite(file, {"--jobs", "2"}));
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.err, HasSubstr("ia3 on parity, trial 3: accuracy"));
  EXPECT_THAT(printed.out, AllOf(HasSubstr("searches: scores on validation examples"), HasSubstr("best of 3"),
                                 ContainsRegex("prompt_tuning +parity +3 +accuracy")));
  const json made = manifest();
  ASSERT_EQ(made.at("trials").size(), 6u);
  ASSERT_EQ(made.at("searches").size(), 2u);
  for (const json& search : made.at("searches")) {
    std::int64_t best = 0;
    double highest = -1;
    for (const json& trial : made.at("trials")) {
      if (trial.at("row") != search.at("row")) continue;
      const json of = record(trial.at("run"));
      EXPECT_EQ(of.at("metrics").at(0).at("split"), "validation");
      EXPECT_EQ(of.at("seed"), 1001);
      EXPECT_EQ(of.at("config").at("search").at("trial"), trial.at("trial"));
      if (const double score = of.at("metrics").at(0).at("value"); score > highest)
        highest = score, best = trial.at("trial");
    }
    EXPECT_EQ(search.at("chosen"), best);
    for (const json& cell : made.at("cells")) {
      if (cell.at("row") != search.at("row")) continue;
      const json of = record(cell.at("run"));
      EXPECT_EQ(of.at("metrics").at(0).at("split"), "test");
      EXPECT_FALSE(of.at("config").contains("search"));
      EXPECT_EQ(of.at("config").at("train").at("learning_rate"), cell.at("values").at("train.learning_rate"));
    }
  }

  // The same command runs nothing, and writes the same manifest.
  const std::string before = file_text(out_ / "mine.suite" / "suite.json");
  const auto ended = fs::last_write_time(out_ / made.at("trials")[0].at("run").get<std::string>() / "record.json");
  const Printed again = run(suite(file, {"--jobs", "2"}));
  EXPECT_EQ(again.status, 0);
  EXPECT_EQ(again.out, printed.out);
  EXPECT_THAT(again.err, Not(HasSubstr("accuracy")));
  EXPECT_EQ(file_text(out_ / "mine.suite" / "suite.json"), before);
  EXPECT_EQ(fs::last_write_time(out_ / made.at("trials")[0].at("run").get<std::string>() / "record.json"), ended);

  // The same table from the files alone; trials are no rows of a report.
  EXPECT_EQ(run({"report", out_.string(), "--suite", file.string()}).out, printed.out);
  const Printed report = run({"report", out_.string()});
  EXPECT_THAT(report.err, HasSubstr("6 trials of searches are not shown"));
  EXPECT_EQ(json::parse(run({"report", out_.string(), "--json"}).out).size(), 3u);
  const json rows = json::parse(run(suite(file, {"--json"})).out);
  EXPECT_EQ(rows.at(0).at("search").at("trials").size(), 3u);
  EXPECT_EQ(rows.at(0).at("search").at("expected_best").size(), 3u);
  EXPECT_FALSE(rows.at(2).contains("search"));
}

bool wait_for_a_checkpoint(const fs::path& out) {
  for (int i = 0; i < 1200; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(50))) {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(out, missing))
      if (fs::exists(entry.path() / "checkpoint" / "train.safetensors", missing)) return true;
  }
  return false;
}

TEST_F(Search, KilledAndContinuedItEndsTheSame) {
  const fs::path file = write_search("{trials: 3}", "12");
  const fs::path whole = scratch_.path() / "whole";
  ASSERT_EQ(run({"suite", file.string(), "--out", whole.string(), "--jobs", "2"}).status, 0);
  {
    Program program(suite(file, {"--jobs", "2"}));
    ASSERT_TRUE(wait_for_a_checkpoint(out_)) << program.err();
    program.kill(SIGINT);
    EXPECT_EQ(program.wait(), 130);
  }
  const std::vector<std::string> words = suite(file, {"--jobs", "2"});
  for (int seconds = 1; seconds <= 3; ++seconds) {
    Program program(words);
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    program.kill(SIGINT);
    program.wait();
  }
  const Printed printed = run(words);
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_EQ(results(out_), results(whole));
  EXPECT_EQ(manifest().at("cells"), json::parse(file_text(whole / "mine.suite" / "suite.json")).at("cells"));
  EXPECT_EQ(manifest().at("trials"), json::parse(file_text(whole / "mine.suite" / "suite.json")).at("trials"));
}

TEST_F(Search, HalvingGivesTheBetterOnesMoreSteps) {
  const fs::path file = write_search("{trials: 4, halving: 2, sampler: random}", "8");
  const Printed printed = run(suite(file, {"--jobs", "2", "--seeds", "1"}));
  ASSERT_EQ(printed.status, 0) << printed.err;
  const json made = manifest();
  ASSERT_EQ(made.at("trials").size(), 12u);  // of two methods four with half of the steps, and two with all
  for (const json& trial : made.at("trials"))
    EXPECT_EQ(record(trial.at("run")).at("config").at("train").at("steps"), trial.at("rung") == 0 ? 4 : 8);
}

TEST_F(Search, OfOneMethodIsACommand) {
  const std::vector<std::string> words = {"search",
                                          "--method",
                                          "prompt_tuning",
                                          "--task",
                                          write_task(scratch_).string(),
                                          "--backbone",
                                          "t5-nano-lm",
                                          "--trials",
                                          "2",
                                          "--out",
                                          out_.string(),
                                          "--threads",
                                          "1",
                                          "--set",
                                          "train.steps=4",
                                          "--set",
                                          "train.batch_size=4",
                                          "--set",
                                          "train.evaluate_every=0",
                                          "--set",
                                          "eval.examples=12",
                                          "--set",
                                          "space.length.choices=2,4"};
  std::vector<std::string> dry = words;
  dry.push_back("--dry-run");
  EXPECT_THAT(run(dry).out, HasSubstr("3 of 3 runs remain"));
  EXPECT_FALSE(fs::exists(out_));
  const Printed printed = run(words);
  ASSERT_EQ(printed.status, 0) << printed.err;
  const Printed again = run(words);
  EXPECT_EQ(again.out, printed.out);
  EXPECT_THAT(again.err, Not(HasSubstr("accuracy")));
  std::string name;
  for (const auto& entry : fs::directory_iterator(out_))
    if (entry.path().extension() == ".suite") name = entry.path().stem().string();
  EXPECT_THAT(name, testing::StartsWith("search-prompt_tuning-"));
  EXPECT_EQ(run({"report", out_.string(), "--suite", name}).out, printed.out);
  const Printed refused = run({"search", "--method", "prompt_tuning", "--trials", "0", "--out", out_.string()});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("invalid number of trials"));
}

// A rate at which training diverges is a trial without a score; it is not tried again.
TEST_F(Search, ATrialThatDivergesIsNotChosen) {
  const fs::path file = scratch_.write(
      "mine.yaml", "tasks: [" + write_task(scratch_).string() +
                       "]\nbackbones: [t5-nano-lm]\nseeds: [1]\nsearch: {trials: 3}\ndefaults:\n  threads: 1\n  train: "
                       "{steps: 6, batch_size: 4, evaluate_every: 0, dropout: 0}\n  eval: {examples: 12}\nrows:\n"
                       "  - method: model_tuning\n    name: all\n"
                       "    space: {train.learning_rate: {choices: [1e36, 1e37]}}\n");
  const Printed printed = run(suite(file));
  ASSERT_EQ(printed.status, 0) << printed.err << printed.out;
  EXPECT_EQ(manifest().at("searches").at(0).at("chosen"), 1);
  EXPECT_THAT(printed.out, AllOf(HasSubstr("trials without a score"), HasSubstr("diverged")));
  const Printed again = run(suite(file));
  EXPECT_EQ(again.out, printed.out);
  EXPECT_THAT(again.err, Not(HasSubstr("diverged")));
}

}  // namespace
}  // namespace peftbench::search_cli_test
