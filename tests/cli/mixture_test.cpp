// Several tasks at once, tasks that were not trained on, and targets behind a sentinel, as a user sees them.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace peftbench::mixture_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing_support::run;

class Mixture : public testing::Test {
 protected:
  Mixture() : parity_(write_task(scratch_)) {
    // The same rows with other label words, of which a third as many are trained on.
    std::string rows;
    std::istringstream all(file_text(scratch_.path() / "parity.jsonl"));
    int number = 0;
    for (std::string line; std::getline(all, line); ++number) {
      json row = json::parse(line);
      row["kind"] = row.at("parity") == "odd" ? "strange" : "plain";
      if (number < 66) rows += row.dump() + "\n";
    }
    scratch_.write("kinds.jsonl", rows);
    kinds_ = scratch_.write("kinds.yaml",
                            "source: kinds.jsonl\ninput: \"what kind: {text}\"\ntarget: \"{kind}\"\n"
                            "labels: [plain, strange]\nsplit: {seed: 0, validation: 16, test: 20}\n"
                            "limits: {input: 32, target: 6}\n");
    both_ = scratch_.write("both.yaml", "mixture: {tasks: [parity.yaml, kinds.yaml], rate: proportional, cap: 60}\n");
  }
  Printed train(const fs::path& task, const std::vector<std::string>& more = {}) const {
    return run(short_run(task, out_, more));
  }
  json record() const { return json::parse(file_text(only_run(out_) / "record.json")); }
  static std::vector<json> lines(const fs::path& file) {
    std::vector<json> result;
    std::istringstream text(file_text(file));
    for (std::string line; std::getline(text, line);) result.push_back(json::parse(line));
    return result;
  }

  Scratch scratch_;
  fs::path out_ = scratch_.path() / "runs", parity_, kinds_, both_;
};

TEST_F(Mixture, TrainsOnAllTasksAndScoresEach) {
  const Printed printed = train(both_);
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.err, HasSubstr("rates (proportional, at most 60 of a task): parity 0.6667, kinds 0.3333"));
  EXPECT_THAT(printed.out, AllOf(HasSubstr("mean 0."), HasSubstr("parity (rate 0.667): accuracy"),
                                 HasSubstr("kinds (rate 0.333): accuracy")));
  const json r = record();
  EXPECT_EQ(r.at("task").at("train"), 80 + 30);
  ASSERT_EQ(r.at("tasks").size(), 2U);
  double mean = 0;
  for (const json& task : r.at("tasks")) {
    EXPECT_TRUE(task.at("trained"));
    mean += task.at("metrics").at(0).at("value").get<double>() / 2;
  }
  EXPECT_NEAR(r.at("tasks").at(0).at("rate").get<double>(), 2.0 / 3, 1e-9);
  EXPECT_EQ(r.at("metrics").at(0).at("name"), "mean");
  EXPECT_EQ(r.at("metrics").at(0).at("n"), 24 + 20);
  EXPECT_DOUBLE_EQ(r.at("metrics").at(0).at("value").get<double>(), mean);
  std::map<std::string, int> predictions;
  for (const json& line : lines(only_run(out_) / "predictions.jsonl")) ++predictions[line.at("task")];
  EXPECT_EQ(predictions, (std::map<std::string, int>{{"parity", 24}, {"kinds", 20}}));

  // What the log says was shown: the first 80 examples are parity's.
  std::int64_t parity = 0, all = 0;
  for (const json& event : lines(only_run(out_) / "log.jsonl")) {
    if (event.at("event") != "step") continue;
    for (const json& example : event.at("examples")) {
      ++all;
      parity += example.get<int>() < 80;
    }
  }
  EXPECT_EQ(all, 96);
  EXPECT_NEAR(static_cast<double>(parity), 64, 4);

  // Scored again, and one task of it alone.
  const std::string id = r.at("id");
  const Printed again = run({"eval", id, "--out", out_.string(), "--json"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(json::parse(again.out).at("metrics"), r.at("metrics"));
  const Printed one = run({"eval", id, "--task", kinds_.string(), "--out", out_.string(), "--json"});
  ASSERT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(json::parse(one.out).at("metrics"), r.at("tasks").at(1).at("metrics"));

  // And from its predictions alone, each line by its own task.
  const Printed scored =
      run({"score", (only_run(out_) / "predictions.jsonl").string(), "--task", both_.string(), "--json"});
  ASSERT_EQ(scored.status, 0) << scored.err;
  const json scores = json::parse(scored.out);
  ASSERT_EQ(scores.size(), 2u);
  for (std::size_t t = 0; t < 2; ++t) {
    const json& task = r.at("tasks").at(t);
    EXPECT_EQ(scores.at(t).at("task"), task.at("task"));
    EXPECT_EQ(scores.at(t).at("examples"), task.at("scored"));
    EXPECT_EQ(scores.at(t).at("metrics").at(0).at("value"), task.at("metrics").at(0).at("value"));
  }
}

TEST_F(Mixture, AStoppedRunGoesOnWithTheSameExamples) {
  ASSERT_EQ(train(both_).status, 0);
  const json whole = record();
  const fs::path other = scratch_.path() / "stopped";
  {
    Program program(short_run(both_, other));
    const auto kept = [&] {
      return fs::exists(other) && fs::exists(only_run(other) / "checkpoint" / "train.safetensors");
    };
    while (program.running() && !kept()) program.runs_for(0.01);
    program.kill(SIGKILL);
  }
  const Printed rest = run(short_run(both_, other));
  ASSERT_EQ(rest.status, 0) << rest.err;
  const json resumed = json::parse(file_text(only_run(other) / "record.json"));
  EXPECT_GT(resumed.at("training").at("resumed_from").get<int>(), 0);
  EXPECT_EQ(resumed.at("adapter_hash"), whole.at("adapter_hash"));
  EXPECT_EQ(resumed.at("predictions_hash"), whole.at("predictions_hash"));
}

TEST_F(Mixture, IsRefusedWhereOneTaskIsNeeded) {
  const Printed head = run({"--method", "head_tuning", "--task", both_.string(), "--backbone", "t5-nano-lm", "--out",
                            out_.string(), "--steps", "2"});
  EXPECT_EQ(head.status, 2);
  EXPECT_THAT(head.err, AllOf(HasSubstr("head_tuning scores the classes of one task"), HasSubstr("parity, kinds")));
  const Printed losses = train(both_, {"--set", "train.unlikelihood_weight=1"});
  EXPECT_EQ(losses.status, 2);
  EXPECT_THAT(losses.err, HasSubstr("losses over label words need a single task"));
}

TEST_F(Mixture, ATaskThatWasNotTrainedOnIsScored) {
  const std::vector<std::string> transfer = {"--eval-task", kinds_.string(), "--label-map", "even:plain,odd:strange",
                                             "--set",       "eval.mode=rank"};
  const Printed printed = train(parity_, transfer);
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out, HasSubstr("kinds: accuracy"));
  const json r = record();
  ASSERT_EQ(r.at("tasks").size(), 1U);
  const json& kinds = r.at("tasks").at(0);
  EXPECT_FALSE(kinds.at("trained"));
  EXPECT_TRUE(kinds.at("rate").is_null());
  EXPECT_EQ(kinds.at("illegal_rate"), 0);
  EXPECT_EQ(kinds.at("scored"), 20);
  EXPECT_FALSE(kinds.at("metrics").at(0).at("majority").is_null());
  const auto predictions = lines(only_run(out_) / kinds.at("predictions").get<std::string>());
  ASSERT_EQ(predictions.size(), 20U);
  for (const json& line : predictions)
    EXPECT_THAT(line.at("prediction").get<std::string>(), testing::AnyOf("plain", "strange"));
  EXPECT_EQ(r.at("config").at("eval").at("tasks").at(0).at("name"), "kinds");

  // eval says the same of the run that has ended, and something else without the map.
  const std::vector<std::string> eval = {"eval",  r.at("id"),    "--task", kinds_.string(),
                                         "--out", out_.string(), "--json"};
  const Printed again = run(eval);
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(json::parse(again.out).at("metrics"), kinds.at("metrics"));
  std::vector<std::string> turned = eval;
  turned.insert(turned.end(), {"--label-map", "even:strange", "--label-map", "odd:plain"});
  const json turned_metrics = json::parse(run(turned).out).at("metrics");
  EXPECT_NEAR(turned_metrics.at(0).at("value").get<double>(), 1 - kinds.at("metrics").at(0).at("value").get<double>(),
              1e-9);
}

TEST_F(Mixture, TransfersThatCannotBeAreRefused) {
  const auto refusal = [&](const std::vector<std::string>& more) {
    const Printed printed = train(parity_, more);
    EXPECT_EQ(printed.status, 2) << printed.out;
    return printed.err;
  };
  EXPECT_THAT(refusal({"--eval-task", parity_.string()}),
              HasSubstr("eval.tasks repeats a task that is already evaluated"));
  EXPECT_THAT(refusal({"--eval-task", both_.string()}), HasSubstr("list its tasks"));
  EXPECT_THAT(refusal({"--eval-task", "kindness"}), HasSubstr("unknown task 'kindness'"));
  EXPECT_THAT(refusal({"--eval-task", kinds_.string(), "--label-map", "even"}), HasSubstr("from:to"));
  EXPECT_THAT(refusal({"--eval-task", kinds_.string(), "--label-map", "even:plane", "--set", "eval.mode=rank"}),
              AllOf(HasSubstr("even, odd in training"), HasSubstr("plain, strange")));
}

TEST_F(Mixture, ALabelMapWithoutAnotherTaskIsRefused) {
  const std::vector<std::string> map = {"--label-map", "even:plain"};
  const Printed trained = train(parity_, map);
  EXPECT_EQ(trained.status, 2);
  EXPECT_THAT(trained.err, AllOf(HasSubstr("--label-map needs --eval-task"), HasSubstr("--eval-task NAME")));
  EXPECT_EQ(train(parity_, {map[0], map[1], "--dry-run"}).status, 2);
  ASSERT_EQ(train(both_).status, 0);
  for (const fs::path& task : {fs::path(), both_, parity_}) {  // all of them were trained on
    std::vector<std::string> words = {"eval", only_run(out_).string(), map[0], map[1]};
    if (!task.empty()) words.insert(words.end(), {"--task", task.string()});
    const Printed again = run(words);
    EXPECT_EQ(again.status, 2) << task;
    EXPECT_THAT(again.err, AllOf(HasSubstr("--label-map needs --task"), HasSubstr("--task with another task")));
  }
}

// A layout shows examples of the task that was trained on, whichever way another is scored.
TEST_F(Mixture, EvalOnAnotherTaskShowsWhatTheRunDid) {
  for (const fs::path& task : {parity_, both_}) {
    const fs::path out = scratch_.path() / ("shots-" + task.stem().string());
    std::vector<std::string> words = {"--method", "prompt_design", "--task", task.string(), "--backbone", "t5-nano-lm",
                                      "--out",    out.string(),    "--set",  "shots=1",     "--threads",  "1",
                                      "--set",    "eval.mode=rank"};
    if (task == parity_) words.insert(words.end(), {"--eval-task", kinds_.string()});
    const Printed printed = run(words);
    ASSERT_EQ(printed.status, 0) << printed.err;
    const json scores = json::parse(file_text(only_run(out) / "record.json")).at("tasks");
    ASSERT_EQ(scores.back().at("task"), "kinds");
    const Printed again = run({"eval", only_run(out).string(), "--task", kinds_.string(), "--json"});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(json::parse(again.out).at("loss"), scores.back().at("loss")) << task;
    EXPECT_EQ(json::parse(again.out).at("metrics"), scores.back().at("metrics")) << task;
  }
}

TEST_F(Mixture, ATaskThatCanOnlyBeScoredIsNamedWhereAMixtureIsTrained) {
  fs::copy_file(scratch_.path() / "kinds.jsonl", scratch_.path() / "unseen.jsonl");
  const fs::path unseen = scratch_.write("unseen.yaml",
                                         "source: {test: unseen.jsonl}\ninput: \"what kind: {text}\"\ntarget: "
                                         "\"{kind}\"\nlabels: [plain, strange]\nlimits: {input: 32, target: 6}\n");
  const fs::path mixed = scratch_.write("mixed.yaml", "mixture: {tasks: [parity.yaml, unseen.yaml]}\n");
  const Printed trained = train(mixed);
  EXPECT_EQ(trained.status, 2);
  EXPECT_THAT(trained.err, AllOf(HasSubstr("mixed.yaml"), HasSubstr("'unseen': evaluation rows only"),
                                 HasSubstr(unseen.string()), HasSubstr("--eval-task unseen")));
  // What trains nothing needs no rates.
  const fs::path out = scratch_.path() / "untrained";
  const Printed untrained = run({"--method", "prompt_design", "--task", mixed.string(), "--backbone", "t5-nano-lm",
                                 "--out", out.string(), "--set", "shots=0"});
  ASSERT_EQ(untrained.status, 0) << untrained.err;
  const json tasks = json::parse(file_text(only_run(out) / "record.json")).at("tasks");
  ASSERT_EQ(tasks.size(), 2U);
  EXPECT_EQ(tasks.at(1).at("scored"), 66);
  for (const json& task : tasks) EXPECT_TRUE(task.at("rate").is_null());
  const Printed shown = run({"tasks", mixed.string()});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("no training examples: the mixture can only be evaluated"));
}

TEST_F(Mixture, AnswersThatAreNoneOfTheOtherTasksAreToldBefore) {
  const Printed printed = train(parity_, {"--eval-task", kinds_.string(), "--set", "eval.mode=greedy"});
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.err, HasSubstr("no training label is a label of 'kinds'"));
  EXPECT_THAT(record().at("warnings").dump(), HasSubstr("no training label is a label of 'kinds'"));
}

TEST_F(Mixture, ASentinelBeforeTargetsIsPartOfTheRun) {
  ASSERT_EQ(train(parity_, {"--set", "task.sentinel=true"}).status, 0);
  const json with = record();
  EXPECT_TRUE(with.at("config").at("task").at("sentinel"));
  ASSERT_EQ(run(short_run(parity_, scratch_.path() / "plain")).status, 0);
  const json without = json::parse(file_text(only_run(scratch_.path() / "plain") / "record.json"));
  EXPECT_NE(with.at("id"), without.at("id"));
  EXPECT_NE(with.at("adapter_hash"), without.at("adapter_hash"));
  EXPECT_EQ(with.at("training").at("tokens").get<int>() - without.at("training").at("tokens").get<int>(), 96)
      << "one id more for each example that was seen";
}

TEST_F(Mixture, ASuiteShowsAColumnForEachTask) {
  const fs::path suite = scratch_.write(
      "shift.yaml",
      "tasks: [" + parity_.string() + ", " + kinds_.string() + "]\neval_tasks: [" + parity_.string() + ", " +
          kinds_.string() +
          "]\nbackbones: [t5-nano-lm]\nseeds: [1, 2]\ndefaults:\n  threads: 1\n  train: {steps: 4, batch_size: 4, "
          "evaluate_every: 0, dropout: 0}\n  eval: {mode: rank, label_map: [\"even:plain\", \"odd:strange\", "
          "\"plain:even\", \"strange:odd\"]}\nrows:\n  - {method: prompt_tuning, set: {length: 2}}\n");
  const Printed printed = run({"suite", suite.string(), "--out", out_.string()});
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out,
              AllOf(HasSubstr("scores on tasks other than the training task (t5-nano-lm)"),
                    ContainsRegex("trained on +method +parity +kinds\n"),
                    ContainsRegex("parity +prompt_tuning +[01]\\.[0-9]+ ± [0-9.]+( ≈)? +[01]\\.[0-9]+ ± "),
                    ContainsRegex("kinds +prompt_tuning +[01]\\.[0-9]+ ± [0-9.]+( ≈)? +[01]\\.[0-9]+ ± ")));
  // So few examples tell no rows apart: of each column one has the mark, and below stands what it means.
  EXPECT_EQ(std::count(printed.out.begin(), printed.out.end(), '\x88'), 3) << printed.out;
  const json rows = json::parse(run({"report", out_.string(), "--suite", "shift", "--json"}).out);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows.at(0).at("tasks").at(0).at("task"), "kinds");
  EXPECT_EQ(rows.at(0).at("tasks").at(0).at("score").at("n"), 2);
  EXPECT_THAT(run({"report", out_.string(), "--format", "csv"}).out, HasSubstr("parity → kinds"));
  EXPECT_THAT(run({"report", out_.string(), "--format", "markdown"}).out,
              AllOf(HasSubstr("| trained on | method | kinds | parity |"), HasSubstr("|---|---|---:|---:|")));
}

TEST_F(Mixture, ASuiteLeavesOutWhatEachRunIsTrainedOn) {
  const std::string parity_again = (scratch_.path() / "." / "parity.yaml").string();  // under another name
  const fs::path suite = scratch_.write(
      "parts.yaml", "tasks: [" + parity_.string() + ", " + both_.string() + "]\neval_tasks: [" + parity_again + ", " +
                        kinds_.string() +
                        "]\nbackbones: [t5-nano-lm]\ndefaults: {eval: {label_map: [\"even:plain\"]}}\nrows:\n"
                        "  - {method: prompt_tuning, set: {length: 2}}\n");
  const Printed printed = run({"suite", suite.string(), "--out", out_.string(), "--dry-run", "--json"});
  ASSERT_EQ(printed.status, 0) << printed.err;
  const json runs = json::parse(printed.out);
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs.at(0).at("config").at("eval").at("tasks"), json({kinds_.string()}));
  EXPECT_EQ(runs.at(0).at("config").at("eval").at("label_map"), json({"even:plain"}));
  EXPECT_EQ(runs.at(1).at("config").at("eval").at("tasks"), json::array());
  EXPECT_EQ(runs.at(1).at("config").at("eval").at("label_map"), json::array()) << "nothing is left that it is for";
}

TEST_F(Mixture, TasksShowsRowsAndRates) {
  const Printed printed = run({"tasks", both_.string()});
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out, AllOf(HasSubstr("parity"), HasSubstr("0.6667"), HasSubstr("proportional, at most 60")));
  EXPECT_EQ(json::parse(run({"tasks", both_.string(), "--json"}).out).at("examples").at("train"), 110);
}

}  // namespace
}  // namespace peftbench::mixture_test
