// What is kept is found from any folder; paths in a file are of its folder, those typed of the shell's. // S22
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace peftbench::paths_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::run;

// The shell's folder while it lives.
class In {
 public:
  explicit In(const fs::path& folder) : before_(fs::current_path()) {
    fs::create_directories(folder);
    fs::current_path(folder);
  }
  ~In() { fs::current_path(before_); }

 private:
  fs::path before_;
};

json record(const fs::path& run) { return json::parse(file_text(run / "record.json")); }

class Paths : public testing::Test {
 protected:
  Paths() : task_(write_task(scratch_)) {}
  fs::path at(const std::string& name) const { return fs::canonical(scratch_.path()) / name; }
  // As somebody types it who stands beside the task.
  static std::vector<std::string> typed(const std::vector<std::string>& more = {}) {
    return short_run("parity.yaml", "runs", more);
  }

  Scratch scratch_;
  fs::path task_;
};

TEST_F(Paths, ARunIsFoundAndScoredFromAnotherFolder) {
  fs::copy(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets" / "backbones" / "t5-nano-lm", at("my-t5"));
  std::vector<std::string> words = typed({"--eval-task", "./again.yaml"});
  scratch_.write("again.yaml", file_text(task_).replace(0, 12, "name: again\n"));
  std::replace(words.begin(), words.end(), std::string("t5-nano-lm"), std::string("my-t5"));
  {
    const In beside(at("."));
    const Printed printed = run(words);
    ASSERT_EQ(printed.status, 0) << printed.err;
  }
  const fs::path folder = only_run(at("runs"));
  const json kept = record(folder);
  EXPECT_EQ(kept.at("task").at("file"), at("parity.yaml").string());
  EXPECT_EQ(kept.at("task").at("source"), at("parity.jsonl").string());
  EXPECT_EQ(kept.at("backbone").at("folder"), at("my-t5").string());
  EXPECT_THAT(file_text(folder / "config.yaml"),
              AllOf(HasSubstr(at("parity.yaml").string()), HasSubstr(at("again.yaml").string()),
                    HasSubstr(at("my-t5").string())));
  const In elsewhere(at("elsewhere"));
  const std::vector<std::vector<std::string>> commands = {{"eval", folder.string(), "--json"},
                                                          {"forgetting", folder.string()},
                                                          {"neighbors", folder.string()},
                                                          {"ensemble", folder.string()}};
  for (const std::vector<std::string>& command : commands) {
    const Printed printed = run(command);
    EXPECT_EQ(printed.status, 0) << command.front() << printed.err;
  }
  // The same configuration is the same run, wherever it is read.
  const Printed again = run({"--config", (folder / "config.yaml").string(), "--out", at("runs").string(), "--json"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(json::parse(again.out).at("id"), kept.at("id"));
  EXPECT_THAT(again.err, HasSubstr("had already finished"));
}

TEST_F(Paths, ARunsIdDoesNotDependOnWhereItsTaskLies) {
  const In beside(at("."));
  ASSERT_EQ(run(typed({"--set", "train.steps=0"})).status, 0);
  scratch_.write("deep/parity.jsonl", file_text(at("parity.jsonl")));
  scratch_.write("deep/parity.yaml", file_text(at("parity.yaml")));
  const Printed moved = run(short_run("deep/parity.yaml", "runs", {"--set", "train.steps=0"}));
  ASSERT_EQ(moved.status, 0) << moved.err;
  EXPECT_THAT(moved.err, HasSubstr("had already finished"));
}

TEST_F(Paths, PathsOfAFileAreOfItsFolder) {
  scratch_.write("conf/mine.yaml", "task: ../parity.yaml\nmethod: prompt_tuning\nbackbone: t5-nano-lm\n");
  scratch_.write("conf/old.yaml", "task: parity.yaml\nmethod: prompt_tuning\nbackbone: t5-nano-lm\n");
  scratch_.write("conf/grid.yaml",
                 "tasks: [../parity.yaml]\neval_tasks: [own.yaml]\nbackbones: [t5-nano-lm]\nrows:\n  - {method: "
                 "prompt_tuning, on: {parity: {train: {steps: 2}}, ../parity.yaml: {train: {steps: 3}}}}\n");
  scratch_.write("conf/own.yaml", file_text(task_).replace(0, 12, "name: owned\n"));
  fs::copy(at("parity.jsonl"), at("conf/parity.jsonl"));
  const In elsewhere(at("elsewhere"));
  const Printed of_file = run({"--config", "../conf/mine.yaml", "--dry-run", "--json"});
  ASSERT_EQ(of_file.status, 0) << of_file.err;
  EXPECT_EQ(json::parse(of_file.out).at("config").at("task").at("name"), at("parity.yaml").string());
  const Printed of_shell = run({"--config", "../conf/mine.yaml", "--task", "../conf/own.yaml", "--dry-run", "--json"});
  ASSERT_EQ(of_shell.status, 0) << of_shell.err;
  EXPECT_EQ(json::parse(of_shell.out).at("config").at("task").at("name"), at("conf/own.yaml").string());
  const Printed grid = run({"suite", "../conf/grid.yaml", "--dry-run"});
  EXPECT_EQ(grid.status, 0) << grid.err;
  // Files of before the rule were read where the shell is; they still are, where nothing lies beside them.
  const In shell(at("."));
  EXPECT_EQ(run({"--config", "conf/old.yaml", "--dry-run"}).status, 0);
}

// Two sources of one name are told apart, and the bytes are the same wherever the task lies.
TEST_F(Paths, AnOriginHasItsFolder) {
  const std::string rows = file_text(at("parity.jsonl"));
  std::vector<std::string> predictions;
  for (const std::string place : {"here", "there"}) {
    scratch_.write(place + "/train/rows.jsonl", rows);
    scratch_.write(place + "/test/rows.jsonl", "{\"text\": \"seven\", \"parity\": \"odd\"}\n");
    const fs::path task = scratch_.write(
        place + "/parity.yaml",
        "source: {train: train/rows.jsonl, test: test/rows.jsonl}\ninput: \"number: {text}\"\ntarget: \"{parity}\"\n"
        "labels: [even, odd]\nlimits: {input: 32, target: 6}\n");
    const Printed printed = run(short_run(task, at(place + "/runs"), {"--set", "train.steps=0"}));
    ASSERT_EQ(printed.status, 0) << printed.err;
    predictions.push_back(file_text(only_run(at(place + "/runs")) / "predictions.jsonl"));
  }
  EXPECT_THAT(predictions[0], HasSubstr("\"origin\":\"test/rows.jsonl:1\""));
  EXPECT_EQ(predictions[0], predictions[1]);
}

}  // namespace
}  // namespace peftbench::paths_test
