#include "results/run_lock.h"
#include "support/layers.h"

#include "core/hash.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include <functional>
#include <optional>

namespace peftbench::run_lock_test {

using namespace layers;

namespace {

using testing::HasSubstr;

class Locks : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "peftbench-lock-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = {fs::path(pattern) / "run"};
  }
  void TearDown() override { fs::remove_all(folder_.path.parent_path()); }
  // What another process makes of it: 0, or 7 where it is kept out.
  int elsewhere(const std::function<void()>& work) const {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        work();
        ::_exit(0);
      } catch (const UserError&) {
        ::_exit(7);
      }
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }
  RunFolder folder_;
};

TEST_F(Locks, OneProcessHoldsAFolder) {
  {
    const RunLock lock(folder_);
    EXPECT_EQ(elsewhere([&] { const RunLock second(folder_); }), 7);
  }
  EXPECT_EQ(elsewhere([&] { const RunLock second(folder_); }), 0);
}

// hostile 23
TEST_F(Locks, RemovingOrReplacingTheFileLetsNobodyIn) {
  const RunLock lock(folder_);
  fs::remove(folder_.path / "lock");
  EXPECT_EQ(elsewhere([&] { const RunLock second(folder_); }), 7);
  write_atomically(folder_.path / "lock", "");
  EXPECT_EQ(elsewhere([&] { const RunLock second(folder_); }), 7);
  EXPECT_TRUE(is_running(folder_));
}

// hostile 22
TEST_F(Locks, NoLinkOrPipeIsALock) {
  fs::create_directories(folder_.path);
  fs::create_symlink(folder_.path / "elsewhere", folder_.path / "lock");
  EXPECT_THROW(RunLock{folder_}, UserError);
  EXPECT_FALSE(fs::exists(folder_.path / "elsewhere"));
  fs::remove(folder_.path / "lock");
  ASSERT_EQ(::mkfifo((folder_.path / "lock").c_str(), 0600), 0);
  EXPECT_THROW(RunLock{folder_}, UserError);
  EXPECT_FALSE(is_running(folder_));
}

// hostile 16
TEST_F(Locks, AFolderThatCannotBeMadeIsToldWithItsReason) {
  write_atomically(folder_.path.parent_path() / "file", "");
  try {
    const RunLock lock(RunFolder{folder_.path.parent_path() / "file" / "run"});
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot create the folder"));
    EXPECT_THAT(error.what(), HasSubstr("file"));
  }
}

TEST_F(Locks, TheRunOfADeadProcessHasStopped) {
  RunRecord record;
  record.status = "running";
  EXPECT_EQ(status_of(folder_, record.status), "stopped");  // no folder at all
  std::optional<RunLock> lock(folder_);
  EXPECT_TRUE(is_running(folder_));
  EXPECT_EQ(status_of(folder_, record.status), "running");
  lock.reset();
  EXPECT_FALSE(is_running(folder_));
  EXPECT_EQ(status_of(folder_, record.status), "stopped");
  record.status = "failed";
  EXPECT_EQ(status_of(folder_, record.status), "failed");
}

// hostile 3, 7
TEST_F(Locks, AFinishedRunsFilesAreComparedWithItsRecord) {
  fs::create_directories(folder_.adapter());
  write_atomically(folder_.adapter() / "adapter.json", "{}");
  write_atomically(folder_.adapter() / "adapter.safetensors", "weights");
  write_atomically(folder_.predictions(), "answers");
  write_atomically(folder_.path / "predictions-b.jsonl", "others");
  RunRecord record;
  EXPECT_EQ(damage_of(folder_, record), "") << "a record of an older version knows no hash";
  record.adapter_hash = sha256("weights");
  record.predictions_hash = sha256("answers");
  record.tasks.emplace_back();
  record.tasks.back().predictions = "predictions-b.jsonl";
  record.tasks.back().predictions_hash = sha256("others");
  EXPECT_EQ(damage_of(folder_, record), "");
  for (const fs::path& file : {folder_.adapter() / "adapter.safetensors", folder_.predictions(),
                               folder_.path / "predictions-b.jsonl", folder_.adapter() / "adapter.json"}) {
    const std::string before = read_text(file);
    if (file.extension() != ".json") {
      write_atomically(file, before + "x");
      EXPECT_THAT(damage_of(folder_, record), HasSubstr(file.filename().string() + " does not match the hash"));
    }
    fs::remove(file);
    EXPECT_THAT(damage_of(folder_, record), HasSubstr(file.filename().string() + " is missing"));
    write_atomically(file, before);
  }
}

}  // namespace
}  // namespace peftbench::run_lock_test
