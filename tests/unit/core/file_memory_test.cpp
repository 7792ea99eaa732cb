#include "core/file_memory.h"
#include "support/layers.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <thread>

namespace peftbench::file_memory_test {

using namespace layers;

namespace {

class FileMemoryTest : public testing::Test {
 protected:
  FileMemoryTest() {
    std::string name = (fs::temp_directory_path() / "peftbench-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    file_ = folder_ / "file";
    memory_.emplace(folder_ / "memory");
    write("one");
  }
  ~FileMemoryTest() override { fs::remove_all(folder_); }
  void write(const std::string& text) const { std::ofstream(file_, std::ios::binary) << text; }
  static void wait() { std::this_thread::sleep_for(std::chrono::milliseconds(2100)); }

  fs::path folder_, file_;
  std::optional<FileMemory> memory_;
};

TEST_F(FileMemoryTest, KeepsAValueUntilAFileChanges) {
  wait();
  memory_->keep("sum", {file_}, states_of({file_}), 3);
  EXPECT_EQ(memory_->find("sum", {file_}), nlohmann::json(3));
  EXPECT_FALSE(memory_->find("other", {file_}));
  EXPECT_FALSE(memory_->find("sum", {file_, folder_ / "second"})) << "other files";
  write("two");
  EXPECT_FALSE(memory_->find("sum", {file_}));
}

TEST_F(FileMemoryTest, KeepsNothingOfAFileThatMayStillChangeUnseen) {
  memory_->keep("young", {file_}, states_of({file_}), 3);
  EXPECT_FALSE(memory_->find("young", {file_}));
  wait();
  const std::vector<FileState> before = states_of({file_});
  write("while it was read");
  memory_->keep("changed", {file_}, before, 3);
  EXPECT_FALSE(memory_->find("changed", {file_}));
}

TEST_F(FileMemoryTest, WithoutAFolderKeepsNothing) {
  wait();
  const FileMemory none{fs::path()};
  none.keep("sum", {file_}, states_of({file_}), 3);
  EXPECT_FALSE(none.find("sum", {file_}));
  const FileMemory unwritable("/proc/no/such");
  unwritable.keep("sum", {file_}, states_of({file_}), 3);
  EXPECT_FALSE(unwritable.find("sum", {file_}));
}

TEST_F(FileMemoryTest, ADamagedEntryIsAbsent) {
  wait();
  for (const char* damage : {"", "{", "[1]", "{\"name\": 3}", "null", "{\"name\": \"sum\"}"}) {
    memory_->keep("sum", {file_}, states_of({file_}), 3);
    ASSERT_TRUE(memory_->find("sum", {file_}));
    std::ofstream(fs::directory_iterator(folder_ / "memory")->path(), std::ios::binary) << damage;
    EXPECT_FALSE(memory_->find("sum", {file_})) << damage;
  }
}

}  // namespace
}  // namespace peftbench::file_memory_test
