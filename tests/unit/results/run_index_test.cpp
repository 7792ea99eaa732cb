#include "results/run_index.h"
#include "support/layers.h"

#include "results/run_lock.h"
#include "results/stored_runs.h"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <random>
#include <thread>

namespace peftbench::run_index_test {

using namespace layers;

namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr IndexUse early = {.from = 3, .settled = std::chrono::milliseconds(30)};
constexpr IndexUse never = {.from = 1'000'000};

void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void overwrite(const fs::path& file, const std::string& bytes) {  // in place: the inode stays
  std::ofstream(file, std::ios::binary) << bytes;
}

std::string text_of(const StoredRuns& stored) {
  std::string text;
  for (const StoredRun& run : stored.runs) {
    text += run.id + " " + run.status + " " + run.folder.path.string() + " " + to_json(run.record()).dump() + "\n";
    for (const std::string& note : run.notes) text += "  " + note + "\n";
  }
  for (const UnreadableRun& run : stored.unreadable) text += run.folder + ": " + run.message + "\n";
  return text;
}

class RunIndexTest : public testing::Test {
 protected:
  RunIndexTest() { fs::create_directories(folder_); }
  ~RunIndexTest() override { fs::remove_all(folder_); }

  static std::string record_text(const std::string& id, double score, const std::string& status = "finished") {
    RunRecord record;
    record.id = id;
    record.status = status;
    record.method.name = "lora";
    record.config = {{"method", {{"name", "lora"}}}, {"seed", 1}, {"train", {{"steps", 10}}}};
    record.metrics = {{"test", "accuracy", score, 100, {}, 0.5}};
    return to_json(record).dump();
  }
  fs::path file_of(const std::string& name) const { return folder_ / name / "record.json"; }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories(folder_ / name);
    write_atomically(file_of(name), text);
  }
  void write_runs(int count) const {
    for (int i = 0; i < count; ++i) {
      const std::string id = "r" + std::to_string(100 + i);
      write(id, record_text(id, 0.25));
    }
    settle();
  }
  std::string indexed() const { return text_of(read_runs(folder_, early)); }
  std::string read_anew() const { return text_of(read_runs(folder_, never)); }
  fs::path index() const { return folder_ / "index.sqlite"; }
  std::size_t entries() const {
    SharedBytes shared;
    return RunIndex(folder_).read(shared).size();
  }

  fs::path folder_ = fs::temp_directory_path() / ("peftbench-index-" + std::to_string(::getpid()));
};

TEST_F(RunIndexTest, AFewRunsHaveNone) {
  write_runs(10);
  read_runs(folder_);
  EXPECT_FALSE(fs::exists(index()));
  read_runs(folder_, early);
  EXPECT_EQ(entries(), 10u);
}

TEST_F(RunIndexTest, IsUsedForFilesThatAreUnchanged) {
  write_runs(5);
  read_runs(folder_, early);
  SharedBytes shared;
  std::vector<IndexedRecord> records = RunIndex(folder_).read(shared);
  ASSERT_THAT(records, SizeIs(5));
  records[2].record->status = "failed";  // not the truth: only here to see where it comes from
  std::vector<const IndexedRecord*> all;
  for (const IndexedRecord& record : records) all.push_back(&record);
  ASSERT_TRUE(RunIndex(folder_).write(all));
  EXPECT_EQ(read_runs(folder_, early).find("r102")->status, "failed");
  EXPECT_EQ(read_runs(folder_, never).find("r102")->status, "finished");
  write("r102", bytes_of(file_of("r102")));  // the same bytes in another file
  EXPECT_EQ(read_runs(folder_, early).find("r102")->status, "finished");
  fs::remove(index());
  EXPECT_EQ(indexed(), read_anew());
}

TEST_F(RunIndexTest, OtherBytesOfEqualSizeAndTimeAreNoticed) {
  write_runs(5);
  read_runs(folder_, early);
  const fs::path file = file_of("r101");
  const auto time = fs::last_write_time(file);
  std::string text = bytes_of(file);
  text.replace(text.find("0.25"), 4, "0.75");
  overwrite(file, text);
  fs::last_write_time(file, time);
  EXPECT_EQ(read_runs(folder_, early).find("r101")->record().score()->value, 0.75);
  settle();
  EXPECT_EQ(read_runs(folder_, early).find("r101")->record().score()->value, 0.75);
}

// A record that has just changed may change again within the resolution of its times.
TEST_F(RunIndexTest, ARecordThatHasJustChangedIsNotIndexed) {
  write_runs(5);
  write("late", record_text("late", 0.5));
  read_runs(folder_, {.from = 3, .settled = std::chrono::hours(1)});
  EXPECT_FALSE(fs::exists(index()));
}

TEST_F(RunIndexTest, GivesWhatTheRecordsSayWhateverHappensBetweenReads) {
  std::mt19937 random(7);
  const auto any = [&](std::size_t count) { return random() % count; };
  write_runs(12);
  for (int step = 0; step < 150; ++step) {
    const std::string name = "r" + std::to_string(100 + any(20));
    const std::string id = any(4) ? name : "r" + std::to_string(100 + any(20));
    const std::string whole = record_text(id, static_cast<double>(any(100)) / 100, any(5) ? "finished" : "running");
    switch (any(9)) {
      case 0:
        fs::remove_all(folder_ / name);
        break;
      case 1:
        write(name, whole.substr(0, any(whole.size())));
        break;
      case 2:
        write(name, "{\"name\": \"another program\"}");
        break;
      case 3:
        write(name, "{\"schema_version\": 0}");
        break;
      case 4:
        if (fs::exists(file_of(name))) overwrite(file_of(name), whole);
        break;
      case 5:
        if (fs::exists(folder_ / name) && !fs::exists(folder_ / "moved")) fs::rename(folder_ / name, folder_ / "moved");
        break;
      case 6:
        fs::remove_all(folder_ / "moved");
        break;
      default:
        write(name, whole);
    }
    if (any(2)) settle();
    ASSERT_EQ(indexed(), read_anew()) << step;
  }
}

TEST_F(RunIndexTest, MessagesNameTheFileAsItIsAsked) {
  write_runs(4);
  write("broken", "{");
  settle();
  EXPECT_EQ(indexed(), read_anew());
  EXPECT_EQ(entries(), 5u);
  const fs::path other = folder_ / ".";
  const StoredRuns stored = read_runs(other, early);
  ASSERT_THAT(stored.unreadable, SizeIs(1));
  EXPECT_THAT(stored.unreadable[0].message, HasSubstr((other / "broken" / "record.json").string()));
  EXPECT_EQ(text_of(stored), text_of(read_runs(other, never)));
}

TEST_F(RunIndexTest, ADamagedOneIsMadeAnew) {
  write_runs(6);
  const std::string expected = indexed();
  const std::string good = bytes_of(index());
  std::mt19937 random(3);
  for (int i = 0; i < 150; ++i) {
    std::string bytes = good;
    if (i % 10 == 0)
      bytes.resize(random() % bytes.size());
    else
      bytes[i % 3 ? random() % bytes.size() : random() % 300] ^= static_cast<char>(1 + random() % 255);
    overwrite(index(), bytes);
    ASSERT_EQ(indexed(), expected) << i;
  }
  overwrite(index(), "no database");
  EXPECT_EQ(indexed(), expected);
  EXPECT_EQ(entries(), 6u);
}

TEST_F(RunIndexTest, WhatIsNotOursIsLeftAlone) {
  write_runs(4);
  const std::string expected = read_anew();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(index().c_str(), &other), SQLITE_OK);
  sqlite3_exec(other, "CREATE TABLE mine(a); INSERT INTO mine VALUES(1)", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  const std::string theirs = bytes_of(index());
  EXPECT_EQ(indexed(), expected);
  EXPECT_EQ(bytes_of(index()), theirs);

  fs::remove(index());
  ASSERT_EQ(::mkfifo(index().c_str(), 0600), 0);
  EXPECT_EQ(indexed(), expected);
  EXPECT_TRUE(fs::is_fifo(index()));

  fs::remove(index());
  fs::create_directory(index());
  EXPECT_EQ(indexed(), expected);

  fs::remove(index());
  fs::create_symlink(folder_ / "elsewhere", index());
  EXPECT_EQ(indexed(), expected);
  EXPECT_FALSE(fs::exists(folder_ / "elsewhere"));
}

TEST_F(RunIndexTest, WithoutSpaceThereIsNone) {
  write_runs(4);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string text = indexed();
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(text, read_anew());
  for (const auto& entry : fs::directory_iterator(folder_))
    EXPECT_THAT(entry.path().filename().string(), testing::Not(HasSubstr("index")));
}

TEST_F(RunIndexTest, AFolderThatMayNotBeWrittenHasNone) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  write_runs(4);
  fs::permissions(folder_, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(indexed(), read_anew());
  fs::permissions(folder_, fs::perms::none);
  EXPECT_THROW(read_runs(folder_), DataError);
  fs::permissions(folder_, fs::perms::owner_all);
  EXPECT_FALSE(fs::exists(index()));
}

// Each sees whole records, and none waits for another.
TEST_F(RunIndexTest, ManyProcessesReadAndWriteIt) {
  write_runs(30);
  std::vector<pid_t> children;
  for (int child = 0; child < 4; ++child) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      bool good = true;
      for (int i = 0; i < 15; ++i) {
        if (i % 5 == child) fs::remove(index());
        const StoredRuns stored = read_runs(folder_, early);
        good = good && stored.runs.size() == 30 && stored.unreadable.empty();
      }
      ::_exit(good ? 0 : 1);
    }
    children.push_back(pid);
  }
  for (int i = 0; i < 30; ++i) {
    const std::string id = "r" + std::to_string(100 + i);
    write(id, record_text(id, 0.5));
    EXPECT_EQ(read_runs(folder_, early).find(id)->record().score()->value, 0.5);
  }
  for (const pid_t pid : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  settle();
  EXPECT_EQ(indexed(), read_anew());
  for (const auto& entry : fs::directory_iterator(folder_))
    EXPECT_THAT(entry.path().filename().string(), testing::Not(HasSubstr(".tmp-")));
}

TEST_F(RunIndexTest, WhetherARunIsRunningIsAskedEachTime) {
  write_runs(4);
  write("live", record_text("live", 0.5, "running"));
  settle();
  EXPECT_EQ(read_runs(folder_, early).find("live")->status, "stopped");
  EXPECT_EQ(entries(), 5u);
  const RunLock lock(RunFolder{folder_ / "live"});
  EXPECT_EQ(read_runs(folder_, early).find("live")->status, "running");
  EXPECT_EQ(read_runs(folder_, early).find("live")->record().status, "running");
}

TEST_F(RunIndexTest, AnotherFormatIsOfNoUse) {
  write_runs(4);
  read_runs(folder_, early);
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(index().c_str(), &database), SQLITE_OK);
  sqlite3_exec(database, "UPDATE format SET name = 'of a later program'", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  SharedBytes shared;
  EXPECT_THAT(RunIndex(folder_).read(shared), IsEmpty());
  EXPECT_EQ(indexed(), read_anew());
  EXPECT_EQ(entries(), 4u);
}

}  // namespace
}  // namespace peftbench::run_index_test
