// Grids of runs, their tables, and what a backbone forgets, as a user sees them.
#include "cli/suite_fixture.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace peftbench::suite_test {

using namespace layers;
using testing_support::run;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

class Suite : public SuiteFixture {};

TEST_F(Suite, AFailedRunIsARowAndTheRestIsNotRunAgain) {
  const fs::path file = write_suite(three_rows);
  const Printed printed = run(suite(file, {"--jobs", "2"}));
  EXPECT_EQ(printed.status, 1) << printed.err;
  EXPECT_THAT(
      printed.out,
      AllOf(HasSubstr("parity on t5-nano-lm: accuracy on 12 test examples"),
            ContainsRegex("short +[01]\\.[0-9]+ ± [0-9.]+ \\[[0-9., ]+\\]( ≈)? +n too small +2 +[01]\\.[0-9]+ "),
            ContainsRegex("long +[01]\\.[0-9]+ ± "), ContainsRegex("broken +failed +– +0 of 2"),
            ContainsRegex("broken, seed 1: failed: .*/no/such/file")));
  EXPECT_THAT(printed.out, ContainsRegex("short +512 .* 512 +512 +512"));
  EXPECT_THAT(printed.err, AllOf(HasSubstr("long on parity, seed 2: accuracy"), HasSubstr("2 of 6 runs failed")));

  const json cells = manifest().at("cells");
  ASSERT_EQ(cells.size(), 6u);
  std::vector<fs::file_time_type> times;
  for (const json& cell : cells) {
    const json made = record(cell.at("run"));
    EXPECT_EQ(made.at("status"), cell.at("row") == "broken" ? "failed" : "finished");
    EXPECT_EQ(made.at("machine").at("threads"), 1);
    times.push_back(fs::last_write_time(out_ / cell.at("run").get<std::string>() / "record.json"));
  }
  const Printed again = run(suite(file, {"--json"}));
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.err, Not(HasSubstr("short on parity")));
  EXPECT_THAT(again.err, HasSubstr("broken on parity, seed 1: failed"));
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(fs::last_write_time(out_ / cells[i].at("run").get<std::string>() / "record.json"), times[i]);

  // The same table from the files alone.
  const json rows = json::parse(again.out);
  EXPECT_EQ(json::parse(run({"report", out_.string(), "--suite", file.string(), "--json"}).out), rows);
  EXPECT_EQ(rows.at(1).at("label"), "long");
  EXPECT_EQ(rows.at(1).at("trained"), 1024);
  EXPECT_EQ(rows.at(1).at("score").at("n"), 2);
  EXPECT_GT(rows.at(1).at("step_seconds"), 0);
  const double mean = (record(cells[2].at("run")).at("metrics").at(0).at("value").get<double>() +
                       record(cells[3].at("run")).at("metrics").at(0).at("value").get<double>()) /
                      2;
  EXPECT_DOUBLE_EQ(rows.at(1).at("score").at("mean").get<double>(), mean);
  EXPECT_THAT(run({"report", out_.string(), "--format", "markdown"}).out,
              AllOf(HasSubstr("| prompt_tuning"), HasSubstr("length=4 |")));
  EXPECT_THAT(run({"report", out_.string(), "--format", "csv"}).out, HasSubstr("label,method,task"));
}

TEST_F(Suite, IsRefusedBeforeAnythingRuns) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"  - {method: promt_tuning}\n", "did you mean 'prompt_tuning'?"},
      {"  - {method: prompt_tuning}\n  - {method: prompt_tuning, name: b, set: {lenght: 3}}\n", "mine.yaml:10: prompt"},
      {"  - {method: prompt_tuning, train: {stesp: 3}}\n", "'train.steps'"},
      {"  - {method: prompt_tuning}\n  - {method: prompt_tuning, name: twice}\n", "are the same run"}};
  for (const auto& [rows, message] : mistakes) {
    const Printed printed = run(suite(write_suite(rows)));
    EXPECT_EQ(printed.status, 2);
    EXPECT_THAT(printed.err, HasSubstr(message));
    EXPECT_EQ(printed.out, "");
    EXPECT_FALSE(fs::exists(out_));
  }
  EXPECT_THAT(run({"suite", "no_such_suite"}).err, HasSubstr("there is no suite 'no_such_suite'"));
  EXPECT_THAT(run(suite(write_suite(three_rows), {"--seeds", "x"})).err, HasSubstr("--seeds: invalid seed list"));
}

TEST_F(Suite, DryRunShowsTheGridAndLeavesNothing) {
  const Printed printed =
      run(suite(write_suite(three_rows), {"--dry-run", "--seeds", "1-3", "--set", "train.steps=9"}));
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out, AllOf(ContainsRegex("short +parity +t5-nano-lm +3 +0 +9 +4 +512\n"),
                                 ContainsRegex("parity +t5-nano-lm +3 +3 +12 +0\\.020 \\* +0\\.[0-9]+ +0\\.[0-9]+\n"),
                                 HasSubstr("this standard deviation of scores is assumed"),
                                 HasSubstr("9 of 9 runs remain; nothing was trained")));
  EXPECT_FALSE(fs::exists(out_));
}

// Processes whose parent is `parent`.
std::vector<pid_t> children(pid_t parent) {
  const std::string id = std::to_string(parent);
  std::istringstream text(file_text("/proc/" + id + "/task/" + id + "/children"));
  std::vector<pid_t> result;
  for (pid_t child; text >> child;) result.push_back(child);
  return result;
}

// Waits until a run under `out` has kept a step. False after a minute.
bool wait_for_checkpoint(const fs::path& out) {
  for (int i = 0; i < 1200; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(50))) {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(out, missing))
      if (fs::exists(entry.path() / "checkpoint" / "train.safetensors", missing)) return true;
  }
  return false;
}

// What identifies weights is known without them: these could not be read.
TEST_F(Suite, IsResolvedWithoutOpeningWeights) {
  const fs::path asset = fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm";
  const fs::path folder = scratch_.path() / "nano";
  fs::copy(asset, folder);
  std::ofstream(folder / "model.safetensors", std::ios::binary)
      << std::string(fs::file_size(asset / "model.safetensors"), '\0');
  const fs::path file = scratch_.write("own.yaml", "tasks: [" + write_task(scratch_).string() + "]\nbackbones: [" +
                                                       folder.string() + "]\nseeds: [1, 2]\nrows: [{method: lora}]\n");
  const Printed printed = run(suite(file, {"--dry-run", "--json"}));
  ASSERT_EQ(printed.status, 0) << printed.err;
  const auto runs = nlohmann::json::parse(printed.out);
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_NE(runs[0].at("run"), runs[1].at("run"));
  const Printed real = run(suite(file));
  EXPECT_EQ(real.status, 1);
  EXPECT_THAT(real.out + real.err, HasSubstr("model.safetensors"));
}

TEST_F(Suite, TheProcessorIsDividedWhereNothingSaysOtherwise) {
  const fs::path free = scratch_.write("free.yaml", "tasks: [" + write_task(scratch_).string() +
                                                        "]\nrows:\n  - {method: prompt_tuning}\n"
                                                        "  - {method: prompt_tuning, name: b, threads: 3}\n");
  const Printed printed = run(suite(free, {"--dry-run", "--json", "--jobs", "2"}), {{"OMP_NUM_THREADS", "5"}});
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_EQ(json::parse(printed.out).at(0).at("config").at("threads"), 2);
  EXPECT_EQ(json::parse(printed.out).at(1).at("config").at("threads"), 3);
}

TEST_F(Suite, CtrlCStopsItsRunsAndTheSameCommandContinuesThem) {
  const fs::path file = write_suite("  - {method: prompt_tuning, name: short, set: {length: 2}}\n", "60");
  const std::vector<std::string> words = suite(file, {"--seeds", "1"});
  {
    Program program(words);
    ASSERT_TRUE(wait_for_checkpoint(out_)) << program.err();
    const std::vector<pid_t> before = children(program.pid());
    program.kill(SIGINT);
    EXPECT_EQ(program.wait(), 130);
    EXPECT_THAT(program.err(), HasSubstr("run the same command again"));
    for (const pid_t child : before) EXPECT_NE(::kill(child, 0), 0);
  }
  const std::string id = manifest().at("cells").at(0).at("run");
  ASSERT_EQ(record(id).at("status"), "interrupted");
  EXPECT_THAT(run({"report", out_.string(), "--suite", file.string()}).out,
              ContainsRegex("short +interrupted +0 of 2"));  // seed 2 of the file is missing
  const Printed printed = run(words);
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_GT(record(id).at("training").at("resumed_from"), 0);
  EXPECT_EQ(record(id).at("training").at("steps"), 60);
}

// What the suite writes has no place any more: the runs that it cannot go on with keep their steps.
TEST_F(Suite, AFaultOfItsOwnStopsItsRunsAsCtrlCDoes) {
  const fs::path file = write_suite("  - {method: prompt_tuning, name: short, set: {length: 2}}\n", "100000");
  Program program(suite(file, {"--jobs", "2"}));
  std::error_code missing;
  const auto kept = [&](const json& cell) {
    return fs::exists(out_ / cell.at("run").get<std::string>() / "checkpoint" / "train.safetensors", missing);
  };
  ASSERT_TRUE(wait_for_checkpoint(out_)) << program.err();
  const json cells = manifest().at("cells");
  ASSERT_EQ(cells.size(), 2u);
  for (int i = 0; i < 1200 && !(kept(cells[0]) && kept(cells[1])); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  fs::rename(out_ / "mine.suite", out_ / "moved");
  scratch_.write("runs/mine.suite", "no folder");
  const std::vector<pid_t> runs = children(program.pid());
  ASSERT_EQ(runs.size(), 2u);
  ::kill(runs.front(), SIGKILL);
  EXPECT_NE(program.wait(), 0);
  EXPECT_THAT(program.err(), HasSubstr("mine.suite"));
  std::vector<std::string> ends = {record(cells[0].at("run")).at("status"), record(cells[1].at("run")).at("status")};
  EXPECT_THAT(ends, UnorderedElementsAre("running", "interrupted"));
}

TEST_F(Suite, ARecordThatCannotBeReadIsARow) {
  const fs::path file = write_suite("  - {method: prompt_tuning, name: short, set: {length: 2}}\n", "100000");
  Program program(suite(file, {"--seeds", "1"}));
  ASSERT_TRUE(wait_for_checkpoint(out_)) << program.err();
  scratch_.write("runs/" + manifest().at("cells").at(0).at("run").get<std::string>() + "/record.json", "{");
  for (const pid_t child : children(program.pid())) ::kill(child, SIGKILL);
  EXPECT_EQ(program.wait(), 1);
  EXPECT_THAT(program.out(), ContainsRegex("short +failed +0 of 1"));
}

// hostile 23
TEST_F(Suite, TwoAtOnceShareTheWorkAndNeitherFails) {
  const fs::path file = write_suite("  - {method: prompt_tuning, name: short, set: {length: 2}}\n", "60");
  Program first(suite(file)), second(suite(file));
  EXPECT_EQ(first.wait(), 0) << first.err();
  EXPECT_EQ(second.wait(), 0) << second.err();
  for (const std::string& said : {first.err(), second.err()}) EXPECT_THAT(said, Not(HasSubstr("failed")));
  for (const std::string& table : {first.out(), second.out()})
    EXPECT_THAT(table, ContainsRegex("short +[01]\\.[0-9]+ ± [0-9.]+ \\[[0-9., ]+\\] +2 "));
  for (const json& cell : manifest().at("cells")) EXPECT_EQ(cell.at("message"), "");
}

TEST_F(Suite, ARunInAnotherProcessIsWaitedFor) {
  const fs::path file = write_suite("  - {method: prompt_tuning, name: short, set: {length: 2}}\n", "60");
  ASSERT_EQ(run(suite(file, {"--seeds", "1"})).status, 0);
  const std::string id = manifest().at("cells").at(0).at("run");
  fs::remove(out_ / id / "record.json");
  fs::remove_all(out_ / id / "checkpoint");
  Program alone({"--config", (out_ / id / "config.yaml").string(), "--out", out_.string()});
  ASSERT_TRUE(wait_for_checkpoint(out_)) << alone.err();
  const Printed printed = run(suite(file, {"--seeds", "1"}));
  EXPECT_EQ(alone.wait(), 0) << alone.err();
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out, ContainsRegex("short +[01]\\.[0-9]+ \\[[^]]*\\] +1 "));
}

// hostile 21
TEST_F(Suite, ANameOfSeveralLinesIsNoSetting) {
  const Printed printed = run(suite(write_suite("  - {method: prompt_tuning, name: \"a\\ntrain: {steps: 1}\"}\n")));
  EXPECT_EQ(printed.status, 2);
  EXPECT_THAT(printed.err, AllOf(HasSubstr("mine.yaml:9: invalid row name"), HasSubstr("a\\ntrain: {steps: 1}")));
  EXPECT_EQ(run(suite(write_suite("  - {method: prompt_tuning, name: \"a\\e[31m\"}\n"))).status, 2);
}

TEST_F(Suite, AKilledProcessIsARow) {
  const fs::path file = write_suite("  - {method: prompt_tuning, name: short, set: {length: 2}}\n", "100000");
  Program program(suite(file, {"--seeds", "1"}));
  ASSERT_TRUE(wait_for_checkpoint(out_)) << program.err();
  for (const pid_t child : children(program.pid())) ::kill(child, SIGKILL);
  EXPECT_EQ(program.wait(), 1);
  EXPECT_THAT(program.out(), HasSubstr("short, seed 1: failed: ended by signal 9 (Killed)"));
}

class Forgetting : public testing::Test {
 protected:
  // The only run of a folder of its own.
  fs::path train(const std::string& method, const std::vector<std::string>& more = {}) const {
    const fs::path out = scratch_.path() / method;
    std::vector<std::string> words = {"--method",  method,
                                      "--task",    write_task(scratch_).string(),
                                      "--steps",   "6",
                                      "--out",     out.string(),
                                      "--threads", "1",
                                      "--set",     "train.batch_size=4",
                                      "--set",     "eval.examples=4"};
    words.insert(words.end(), more.begin(), more.end());
    const Printed printed = run(words);
    EXPECT_EQ(printed.status, 0) << printed.err;
    return only_run(out);
  }
  json forgetting(const fs::path& folder, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"forgetting", folder.string(), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Printed printed = run(words);
    EXPECT_EQ(printed.status, 0) << printed.err;
    return json::parse(printed.out);
  }
  Scratch scratch_;
};

TEST_F(Forgetting, ComparesTheFrozenBackboneWithTheMethodAndGivesItBack) {
  const fs::path tuned = train("model_tuning", {"--set", "train.learning_rate=0.003"});
  const json own = forgetting(tuned);
  EXPECT_EQ(own.at("pieces"), 24);
  EXPECT_EQ(own.at("source"), "the inputs of parity's test split");
  EXPECT_EQ(own.at("loss_before"), own.at("loss_after"));
  EXPECT_EQ(own.at("checksum_before"), own.at("checksum_after"));
  EXPECT_EQ(own.at("restored"), true);
  EXPECT_GT(std::abs(own.at("loss_with_method").get<double>() - own.at("loss_before").get<double>()), 0.01);
  EXPECT_EQ(forgetting(tuned), own);

  // Text of one's own: a line of one word is left out, a long one comes in pieces.
  std::string line;
  for (int i = 0; i < 40; ++i) line += "the old house by the river ";
  const fs::path text = scratch_.write("text.txt", "a\n\n" + line + "\nA short line of words.\n");
  const json other = forgetting(tuned, {"--text", text.string(), "--tokens", "16"});
  EXPECT_GT(other.at("pieces"), 10);
  EXPECT_GT(other.at("tokens"), 100);
  EXPECT_NE(other.at("loss_before"), own.at("loss_before"));
  EXPECT_EQ(forgetting(tuned, {"--text", text.string(), "--tokens", "16", "--examples", "2"}).at("pieces"),
            other.at("pieces").get<int>() - 1);

  // The methods of one backbone have one bar.
  const fs::path prompt = train("prompt_tuning", {"--set", "length=4"});
  const json soft = forgetting(prompt, {"--text", text.string(), "--tokens", "16"});
  EXPECT_EQ(soft.at("loss_before"), other.at("loss_before"));
  EXPECT_NE(soft.at("loss_with_method"), soft.at("loss_before"));
}

TEST_F(Forgetting, AHeadOfClassesHasNoWords) {
  const fs::path head = train("head_tuning", {"--set", "train=head"});
  EXPECT_TRUE(forgetting(head).at("loss_with_method").is_null());
  EXPECT_THAT(run({"forgetting", head.string()}).out, HasSubstr("its head scores classes"));
  EXPECT_EQ(run({"forgetting", head.string(), "--text", "/no/such/file"}).status, 2);
  const fs::path text = scratch_.write("long.txt", "short\n" + std::string(2 << 20, 'a') + "\n");  // hostile 10
  const Printed refused = run({"forgetting", head.string(), "--text", text.string()});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr(":2: the text is too long"), HasSubstr("2097152 bytes")));
}

}  // namespace
}  // namespace peftbench::suite_test
