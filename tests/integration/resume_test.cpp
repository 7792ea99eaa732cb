// What is left on the disk lets the same command go on to the same bytes, wherever the process was killed.
#include "core/random.h"
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sys/resource.h>

#include <chrono>
#include <cmath>

namespace peftbench::resume_test {

using namespace layers;

namespace {

using namespace testing_support;
using testing::HasSubstr;

const std::vector<std::string> results = {"checkpoint/train.safetensors", "adapter/adapter.safetensors",
                                          "adapter/adapter.json", "predictions.jsonl", "log.jsonl"};

void expect_same_bytes(const fs::path& run, const fs::path& expected) {
  EXPECT_EQ(run.filename(), expected.filename());
  for (const std::string& name : results) {
    const std::string text = file_text(expected / name);
    EXPECT_FALSE(text.empty()) << name;
    EXPECT_TRUE(file_text(run / name) == text) << name << " differs in " << run;
  }
}

nlohmann::json record(const fs::path& run) { return nlohmann::json::parse(file_text(run / "record.json")); }

std::vector<double> losses(const fs::path& run) {
  std::istringstream log(file_text(run / "log.jsonl"));
  std::vector<double> values;
  for (std::string line; std::getline(log, line);)
    if (const auto event = nlohmann::json::parse(line); event.at("event") == "step") values.push_back(event.at("loss"));
  return values;
}

class Runs : public testing::Test {
 protected:
  void SetUp() override { task_ = write_task(scratch_); }
  std::vector<std::string> words(const std::string& out, const std::vector<std::string>& more = {},
                                 const std::string& seed = "3", const std::string& threads = "1") {
    return short_run(task_, scratch_.path() / out, more, seed, threads);
  }
  // The run of this folder, once it has finished.
  fs::path finish(const std::string& out, const std::vector<std::string>& more = {}, const std::string& seed = "3",
                  const std::string& threads = "1") {
    Program program(words(out, more, seed, threads));
    EXPECT_EQ(program.wait(), 0) << program.err();
    return only_run(scratch_.path() / out);
  }
  Scratch scratch_;
  fs::path task_;
};

TEST_F(Runs, KilledAtTwentyRandomMomentsEndWithTheSameBytes) {
  const auto start = std::chrono::steady_clock::now();
  const fs::path expected = finish("whole");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(record(expected).at("training").at("times_resumed"), 0);

  Random random(20);
  int killed = 0, resumed = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string out = "killed" + std::to_string(i);
    Program program(words(out));
    // The moments are of the program's work; before it the process only starts.
    if (program.runs_for(seconds * random.uniform())) {
      program.kill(SIGKILL);
      ++killed;
    }
    const fs::path run = finish(out);
    expect_same_bytes(run, expected);
    EXPECT_EQ(record(run).at("status"), "finished");
    resumed += record(run).at("training").at("resumed_from").get<int>() > 0;
    fs::remove_all(scratch_.path() / out);
  }
  EXPECT_GE(killed, 10);
  EXPECT_GE(resumed, 1);  // not all of them before the first checkpoint
}

TEST_F(Runs, KilledAgainAndAgainEndsWithTheSameBytes) {
  const auto start = std::chrono::steady_clock::now();
  const fs::path expected = finish("whole");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Random random(21);
  for (int i = 0; i < 6; ++i) {
    Program program(words("often"));
    if (program.runs_for(seconds * (0.4 + 0.4 * random.uniform()))) program.kill(SIGKILL);
  }
  expect_same_bytes(finish("often"), expected);
}

TEST_F(Runs, TheSameSeedGivesTheSameBytesAndAnotherSeedOthers) {
  const fs::path first = finish("a"), second = finish("b");
  expect_same_bytes(second, first);
  const fs::path other = finish("c", {}, "4");
  EXPECT_NE(file_text(other / "adapter/adapter.safetensors"), file_text(first / "adapter/adapter.safetensors"));
}

TEST_F(Runs, OneAndTwoThreadsAgreeOverFiftySteps) {
  const std::vector<std::string> longer = {"--set", "train.steps=50", "--set", "train.evaluate_every=0"};
  const std::vector<double> one_thread = losses(finish("one", longer));
  const std::vector<double> two_threads = losses(finish("two", longer, "3", "2"));
  ASSERT_EQ(one_thread.size(), 50u);
  ASSERT_EQ(two_threads.size(), 50u);
  for (std::size_t i = 0; i < 50; ++i)
    EXPECT_NEAR(one_thread[i], two_threads[i], 1e-4) << "step " << i + 1;  // of losses near 5
  EXPECT_GT(std::abs(one_thread.front() - one_thread.back()), 0.1);        // something was trained
}

TEST_F(Runs, InterruptedKeepsItsStepAndGoesOn) {
  const fs::path expected = finish("whole", {"--set", "train.checkpoint_every=0"});
  Program program(words("stopped", {"--set", "train.checkpoint_every=0"}));
  const fs::path log = scratch_.path() / "stopped" / expected.filename() / "log.jsonl";
  while (program.running() && file_text(log).find("\"step\":2}") == std::string::npos &&
         losses(log.parent_path()).size() < 2)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  program.kill(SIGINT);
  EXPECT_EQ(program.wait(), 130) << program.err();
  EXPECT_THAT(program.err(), HasSubstr("run the same command again"));
  EXPECT_EQ(record(log.parent_path()).at("status"), "interrupted");
  const fs::path run = finish("stopped", {"--set", "train.checkpoint_every=0"});
  EXPECT_GE(record(run).at("training").at("resumed_from").get<int>(), 2);
  EXPECT_EQ(file_text(run / "adapter/adapter.safetensors"), file_text(expected / "adapter/adapter.safetensors"));
}

TEST_F(Runs, AFinishedRunIsNotRunAgainUnlessAsked) {
  const fs::path run = finish("once");
  const std::string before = file_text(run / "record.json");
  {
    Program again(words("once"));
    EXPECT_EQ(again.wait(), 0);
    EXPECT_THAT(again.err(), HasSubstr("had already finished"));
    EXPECT_THAT(again.out(), HasSubstr("accuracy"));
  }
  EXPECT_EQ(file_text(run / "record.json"), before);
  Program anew(words("once", {"--again"}));
  EXPECT_EQ(anew.wait(), 0) << anew.err();
  EXPECT_EQ(record(run).at("predictions_hash"), nlohmann::json::parse(before).at("predictions_hash"));
  EXPECT_EQ(record(run).at("training").at("resumed_from"), 0);
}

TEST_F(Runs, TwoProcessesDoNotWorkOnOneRun) {
  Program first(words("both", {"--set", "train.steps=400"}));
  const fs::path out = scratch_.path() / "both";
  const auto begun = [&] { return fs::exists(out) && !fs::is_empty(out) && fs::exists(only_run(out) / "record.json"); };
  while (first.running() && !begun()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  Program second(words("both", {"--set", "train.steps=400"}));
  EXPECT_EQ(second.wait(), 2);
  EXPECT_THAT(second.err(), HasSubstr("another process is working on this run"));
  first.kill(SIGKILL);
}

// hostile 3, 7: what of a finished run is missing or has other bytes is made again, to the same bytes.
TEST_F(Runs, AFinishedRunThatIsNotWholeIsNotShownAsFinished) {
  const fs::path run = finish("damaged"), expected = finish("whole");
  for (const char* file : {"adapter/adapter.safetensors", "predictions.jsonl", "adapter/adapter.json"}) {
    fs::remove(run / file);
    Program again(words("damaged"));
    EXPECT_EQ(again.wait(), 0);
    EXPECT_THAT(again.err(), HasSubstr(fs::path(file).filename().string() + " is missing"));
    expect_same_bytes(run, expected);
  }
  std::string text = file_text(run / "adapter/adapter.json");
  ASSERT_NE(text.find("\"length\": 4"), std::string::npos) << text;
  text.replace(text.find("\"length\": 4"), 11, "\"length\": 5");
  std::ofstream(run / "adapter/adapter.json", std::ios::binary) << text;
  {
    Program again(words("damaged"));
    EXPECT_EQ(again.wait(), 0);
    EXPECT_THAT(again.err(), HasSubstr("adapter.json was changed after it was written"));
    expect_same_bytes(run, expected);
  }
  std::string bytes = file_text(run / "adapter/adapter.safetensors");
  bytes[bytes.size() - 3] ^= 4;
  std::ofstream(run / "adapter/adapter.safetensors", std::ios::binary) << bytes;
  Program again(words("damaged"));
  EXPECT_EQ(again.wait(), 0);
  EXPECT_THAT(again.err(), HasSubstr("adapter.safetensors does not match the hash"));
  expect_same_bytes(run, expected);
}

// hostile 5: a bit of the newest checkpoint, and the whole record (hostile 6).
TEST_F(Runs, DamagedFilesOfAStoppedRunCostNoMoreThanTheyTold) {
  const std::vector<std::string> longer = {"--set", "train.steps=40"};
  const fs::path expected = finish("whole", longer);
  Program program(words("damaged", longer));
  const fs::path run = scratch_.path() / "damaged" / expected.filename();
  while (program.running() && !fs::exists(run / "checkpoint/train.previous.safetensors"))
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  program.kill(SIGKILL);
  if (!fs::exists(run / "checkpoint/train.safetensors"))  // killed between the two renames
    fs::rename(run / "checkpoint/train.next.safetensors", run / "checkpoint/train.safetensors");
  std::string bytes = file_text(run / "checkpoint/train.safetensors");
  ASSERT_FALSE(bytes.empty());
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(run / "checkpoint/train.safetensors", std::ios::binary) << bytes;
  std::ofstream(run / "record.json") << "{";
  Program again(words("damaged", longer));
  EXPECT_EQ(again.wait(), 0);
  EXPECT_THAT(again.err(), HasSubstr("a checkpoint cannot be used"));
  EXPECT_THAT(again.err(), HasSubstr("the record is rewritten"));
  expect_same_bytes(run, expected);
  EXPECT_THAT(record(run).at("warnings").dump(), HasSubstr("a checkpoint cannot be used"));
}

// hostile 14
TEST_F(Runs, AHangUpKeepsTheStep) {
  const fs::path expected = finish("whole", {"--set", "train.checkpoint_every=0"});
  Program program(words("stopped", {"--set", "train.checkpoint_every=0"}));
  const fs::path log = scratch_.path() / "stopped" / expected.filename() / "log.jsonl";
  while (program.running() && losses(log.parent_path()).size() < 2)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  program.kill(SIGHUP);
  EXPECT_EQ(program.wait(), 128 + SIGHUP) << program.err();
  EXPECT_EQ(record(log.parent_path()).at("status"), "interrupted");
  const fs::path run = finish("stopped", {"--set", "train.checkpoint_every=0"});
  EXPECT_GE(record(run).at("training").at("resumed_from").get<int>(), 2);
}

// hostile 14, 16: a file may not grow. The first error is told, though the record cannot be written either.
TEST_F(Runs, AFileThatMayNotGrowIsAnError) {
  struct rlimit limit {
  }, small{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  small = limit;
  small.rlim_cur = 3000;  // less than a record or a checkpoint, more than what the test's files of output need
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  Program program(words("small"));
  const int status = program.wait();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_EQ(status, 1) << program.err();
  EXPECT_THAT(program.err(), HasSubstr("File too large"));
  EXPECT_THAT(program.err(), HasSubstr("record.json"));
}

// hostile 16
TEST_F(Runs, AFolderThatCannotBeMadeIsNamed) {
  scratch_.write("file", "");
  Program program(words("file/runs"));
  EXPECT_EQ(program.wait(), 2);
  EXPECT_THAT(program.err(), HasSubstr("cannot create the folder " + (scratch_.path() / "file").string()));
}

// hostile 22
TEST_F(Runs, LinksInItsFolderAreNotFollowed) {
  const fs::path run = finish("linked");
  const fs::path target = scratch_.write("target/x", "mine").parent_path();
  for (const char* name : {"log.jsonl", "lock", "checkpoint", "adapter"}) {
    fs::remove_all(run / name);
    fs::remove(run / "record.json");
    fs::create_symlink(fs::path(name).has_extension() ? target / "x" : target, run / name);
    Program again(words("linked"));
    EXPECT_EQ(again.wait(), 2) << name;
    EXPECT_THAT(again.err(), HasSubstr("a symbolic link")) << name;
    fs::remove(run / name);
  }
  EXPECT_EQ(file_text(target / "x"), "mine");
  EXPECT_EQ(std::distance(fs::directory_iterator(target), fs::directory_iterator()), 1);
}

TEST_F(Runs, AFailureStandsInTheRecord) {
  // A learning rate that makes the loss no number.
  Program program(words("failed", {"--set", "train.optimizer=adamw", "--set", "train.learning_rate=1e30"}));
  EXPECT_EQ(program.wait(), 1) << program.err();
  EXPECT_THAT(program.err(), HasSubstr("training diverged"));
  const nlohmann::json json = record(only_run(scratch_.path() / "failed"));
  EXPECT_EQ(json.at("status"), "failed");
  EXPECT_THAT(json.at("message").get<std::string>(), HasSubstr("training diverged"));
  EXPECT_TRUE(json.at("metrics").empty());
}

}  // namespace
}  // namespace peftbench::resume_test
