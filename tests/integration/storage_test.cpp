// Where a run's data lies, in memory or in files, changes no byte of what comes out.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace peftbench::storage_test {

using namespace layers;

namespace {

using namespace testing_support;
using testing::HasSubstr;
using testing_support::run;

class StoredRuns : public testing::Test {
 protected:
  void SetUp() override { task_ = write_task(scratch_); }
  std::vector<std::string> words(const std::string& out, const std::vector<std::string>& more) const {
    std::vector<std::string> all =
        short_run(task_, scratch_.path() / out, {"--data", (scratch_.path() / "data").string()});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  fs::path finish(const std::string& out, const std::vector<std::string>& more) {
    Program program(words(out, more));
    EXPECT_EQ(program.wait(), 0) << program.err();
    said_ = program.err();
    return only_run(scratch_.path() / out);
  }
  static void expect_same_bytes(const fs::path& run, const fs::path& expected) {
    EXPECT_EQ(run.filename(), expected.filename()) << "where data lies is no part of what a run is";
    for (const char* name : {"adapter/adapter.safetensors", "predictions.jsonl", "log.jsonl"}) {
      EXPECT_FALSE(file_text(expected / name).empty()) << name;
      EXPECT_TRUE(file_text(run / name) == file_text(expected / name)) << name << " differs in " << run;
    }
  }
  std::vector<fs::path> kept() const {
    std::vector<fs::path> files;
    const fs::path folder = scratch_.path() / "data/.cache/tasks";
    if (fs::exists(folder))
      for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
  }
  static std::vector<std::string> set(const std::vector<std::string>& settings) {
    std::vector<std::string> flags;
    for (const std::string& setting : settings) flags.insert(flags.end(), {"--set", setting});
    return flags;
  }

  Scratch scratch_;
  fs::path task_;
  std::string said_;
};

TEST_F(StoredRuns, FilesMadeFilesOpenedAndFilesThatAreNotKeptGiveTheBytesOfMemory) {
  const fs::path memory = finish("memory", {});
  EXPECT_TRUE(kept().empty()) << "small tasks leave no files";
  expect_same_bytes(finish("passing", set({"data.memory_bytes=0", "data.cache=false"})), memory);
  EXPECT_TRUE(kept().empty());
  expect_same_bytes(finish("made", set({"data.memory_bytes=0"})), memory);
  EXPECT_EQ(kept().size(), 3u);  // texts, splits, ids
  expect_same_bytes(finish("opened", set({"data.memory_bytes=0"})), memory);
  EXPECT_EQ(kept().size(), 3u);
  EXPECT_THAT(said_, Not(HasSubstr("is rebuilt")));
  for (const fs::path& file : kept()) {
    std::string bytes = file_text(file);
    bytes[bytes.size() / 2] ^= 1;
    std::ofstream(file, std::ios::binary) << bytes;
  }
  expect_same_bytes(finish("mended", set({"data.memory_bytes=0"})), memory);
  EXPECT_THAT(said_, HasSubstr("is rebuilt"));
}

TEST_F(StoredRuns, AKilledRunGoesOnFromFiles) {
  const fs::path memory = finish("memory", {});
  Program program(words("killed", set({"data.memory_bytes=0"})));
  const fs::path log = scratch_.path() / "killed" / memory.filename() / "checkpoint/train.safetensors";
  while (program.running() && !fs::exists(log)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  program.kill(SIGKILL);
  const fs::path run = finish("killed", set({"data.memory_bytes=0"}));
  expect_same_bytes(run, memory);
}

// A layout of the method's own, and a training set that the seed draws.
TEST_F(StoredRuns, LayoutsAndDrawnExamplesToo) {
  const std::vector<std::string> p_tuning = {"--method",   "warp",
                                             "--task",     task_.string(),
                                             "--backbone", "t5-nano-lm",
                                             "--data",     (scratch_.path() / "data").string(),
                                             "--threads",  "2",
                                             "--steps",    "6",
                                             "--set",      "train.batch_size=4",
                                             "--set",      "task.train_examples=50",
                                             "--set",      "train.log_every=1"};
  const auto run = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> all = p_tuning;
    all.insert(all.end(), {"--out", (scratch_.path() / out).string()});
    all.insert(all.end(), more.begin(), more.end());
    Program program(all);
    EXPECT_EQ(program.wait(), 0) << program.err();
    return only_run(scratch_.path() / out);
  };
  const fs::path memory = run("memory", {});
  for (const char* out : {"made", "opened"}) expect_same_bytes(run(out, set({"data.memory_bytes=0"})), memory);
  EXPECT_EQ(kept().size(), 3u);
  // Another learning rate lays out nothing anew; another parameter of the method does.
  run("rate", set({"data.memory_bytes=0", "train.learning_rate=0.01"}));
  EXPECT_EQ(kept().size(), 3u);
  run("shots", set({"data.memory_bytes=0", "task.train_examples=40"}));
  EXPECT_EQ(kept().size(), 4u);
}

}  // namespace
}  // namespace peftbench::storage_test
