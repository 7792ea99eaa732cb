#include "results/stored_runs.h"
#include "support/layers.h"

#include "results/run_lock.h"

#include <gmock/gmock.h>
#include <unistd.h>

namespace peftbench::stored_runs_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StoredRunsTest : public testing::Test {
 protected:
  ~StoredRunsTest() override { fs::remove_all(folder_); }
  void write(const std::string& folder, const std::string& id, const std::string& status = "finished") const {
    RunRecord record;
    record.id = id;
    record.status = status;
    fs::create_directories(folder_ / folder);
    write_atomically(folder_ / folder / "record.json", to_json(record).dump());
  }
  fs::path folder_ = fs::temp_directory_path() / ("peftbench-stored-" + std::to_string(::getpid()));
};

// S5
TEST_F(StoredRunsTest, AnIdIsThereOnce) {
  write("a-1", "a-1");
  write("a-1-backup", "a-1");
  write("0-copy", "a-1", "interrupted");
  write("b-moved", "b-1");
  const StoredRuns stored = read_runs(folder_);
  ASSERT_EQ(stored.runs.size(), 2u);
  EXPECT_EQ(stored.find("a-1")->status, "finished");
  EXPECT_THAT(stored.find("a-1")->notes,
              ElementsAre(AllOf(HasSubstr("'0-copy' contains a different record of the run in 'a-1'"),
                                HasSubstr("interrupted")),
                          HasSubstr("'a-1-backup' is a copy of the run in 'a-1'")));
  EXPECT_TRUE(stored.has_finished("b-1"));
  EXPECT_THAT(stored.find("b-1")->notes, IsEmpty());
  EXPECT_EQ(stored.find("b-moved"), nullptr);
}

TEST_F(StoredRunsTest, OfCopiesWithoutTheRunsOwnFolderAFinishedOneCounts) {
  write("1", "a", "failed");
  write("2", "a");
  const StoredRuns stored = read_runs(folder_);
  ASSERT_EQ(stored.runs.size(), 1u);
  EXPECT_EQ(stored.runs[0].status, "finished");
}

// hostile 6
TEST_F(StoredRunsTest, ADamagedRecordLeavesTheOthers) {
  write("a-1", "a-1");
  for (const char* text : {"{", "", "[]", "{\"schema_version\": 99}"}) {
    fs::create_directories(folder_ / "b-1");
    write_atomically(folder_ / "b-1" / "record.json", text);
    const StoredRuns stored = read_runs(folder_);
    EXPECT_EQ(stored.runs.size(), 1u) << text;
    ASSERT_EQ(stored.unreadable.size(), 1u) << text;
    EXPECT_EQ(stored.unreadable[0].folder, "b-1");
    EXPECT_THAT(stored.unreadable[0].message, HasSubstr("record.json"));
    EXPECT_FALSE(stored.has_finished("b-1"));
  }
}

TEST_F(StoredRunsTest, ARecordThatMayNotBeLookedAtIsTold) {
  write("a-1", "a-1");
  fs::create_directories(folder_ / "b-1" / "record.json");  // a folder
  fs::create_directories(folder_ / "c-1");
  fs::create_symlink("record.json", folder_ / "c-1" / "record.json");  // a link to itself
  const StoredRuns stored = read_runs(folder_);
  EXPECT_EQ(stored.runs.size(), 1u);
  ASSERT_EQ(stored.unreadable.size(), 2u);
  EXPECT_EQ(stored.unreadable[1].folder, "c-1");
}

TEST_F(StoredRunsTest, ARunOfADeadProcessIsStopped) {
  write("a-1", "a-1", "running");
  EXPECT_EQ(read_runs(folder_).runs.at(0).status, "stopped");
  const RunLock lock(RunFolder{folder_ / "a-1"});
  EXPECT_EQ(read_runs(folder_).runs.at(0).status, "running");
}

TEST_F(StoredRunsTest, AFolderThatIsNotThereHasNoRuns) { EXPECT_THAT(read_runs(folder_ / "nowhere").runs, IsEmpty()); }

}  // namespace
}  // namespace peftbench::stored_runs_test
