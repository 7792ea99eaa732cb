#include "core/files.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace peftbench::files_test {

using namespace layers;

namespace {

using testing::HasSubstr;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "peftbench-files-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  long entries() const { return std::distance(fs::directory_iterator(folder_), fs::directory_iterator()); }
  fs::path folder_;
};

TEST_F(Files, WritesWhatItReads) {
  const fs::path path = folder_ / "a.bin";
  std::string bytes(100000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31);
  write_atomically(path, bytes);
  EXPECT_EQ(read_text(path), bytes);
  write_atomically(path, "short");
  EXPECT_EQ(read_text(path), "short");
  EXPECT_EQ(entries(), 1);
}

TEST_F(Files, AFolderIsNoFileAndNoFault) {
  write_atomically(folder_ / "a", "x");
  EXPECT_TRUE(file_exists(folder_ / "a"));
  EXPECT_FALSE(file_exists(folder_));
  EXPECT_FALSE(file_exists(folder_ / "b"));
  EXPECT_FALSE(file_exists(folder_ / "a" / "b"));
  EXPECT_FALSE(file_exists(folder_ / std::string(1000, 'x')));  // a name that the system refuses
}

TEST_F(Files, StreamsManySmallAndLargePieces) {
  const fs::path path = folder_ / "b.txt";
  std::string expected;
  write_atomically(path, [&](std::ostream& out) {
    for (int i = 0; i < 20000; ++i) {
      out << i << '\n';
      expected += std::to_string(i) + '\n';
    }
    const std::string large(200000, 'x');
    out << large << "end";
    expected += large + "end";
  });
  EXPECT_EQ(read_text(path), expected);
}

TEST_F(Files, AFailedWriterLeavesTheOldFileAndNoRubbish) {
  const fs::path path = folder_ / "c.txt";
  write_atomically(path, "old");
  EXPECT_THROW(write_atomically(path,
                                [](std::ostream& out) {
                                  out << "half";
                                  throw DataError("stop");
                                }),
               DataError);
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(entries(), 1);
}

TEST_F(Files, ALinkIsReplacedAndItsTargetLeftAlone) {
  write_atomically(folder_ / "target", "target");
  fs::create_symlink(folder_ / "target", folder_ / "link");
  write_atomically(folder_ / "link", "new");
  EXPECT_FALSE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(read_text(folder_ / "target"), "target");
}

TEST_F(Files, ErrorsNameTheFile) {
  try {
    read_text(folder_ / "absent.txt");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("absent.txt"));
    EXPECT_THAT(error.what(), HasSubstr("No such file"));
  }
  EXPECT_THROW(read_text(folder_), DataError);
  EXPECT_THAT([&] { write_atomically(folder_ / "no" / "where.txt", "x"); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("no/where.txt")));
  EXPECT_THROW(MappedFile::open(folder_ / "absent.bin"), CheckpointError);
  EXPECT_THROW(MappedFile::open(folder_), CheckpointError);
}

TEST_F(Files, MapsFilesAndEmptyOnes) {
  write_atomically(folder_ / "d.bin", "mapped bytes");
  const auto mapped = MappedFile::open(folder_ / "d.bin");
  fs::remove(folder_ / "d.bin");  // the mapping outlives the name
  EXPECT_EQ(mapped->text(), "mapped bytes");
  write_atomically(folder_ / "empty", "");
  EXPECT_EQ(MappedFile::open(folder_ / "empty")->size(), 0u);
  EXPECT_EQ(read_text(folder_ / "empty"), "");
}

// kB of mapped files that are in memory.
long resident_kb() {
  std::istringstream status(read_text("/proc/self/status"));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssFile:")) return std::stol(line.substr(8));
  return -1;
}

TEST_F(Files, LettingGoGivesMemoryBackAndKeepsTheBytes) {
  const std::size_t size = std::size_t{8} << 20;
  std::string bytes(size, 'a');
  for (std::size_t i = 0; i < size; i += 1000) bytes[i] = static_cast<char>('b' + i % 17);
  write_atomically(folder_ / "large.bin", bytes);
  const auto mapped = MappedFile::open(folder_ / "large.bin");
  EXPECT_TRUE(mapped->text() == bytes);
  const long before = resident_kb();
  ASSERT_GT(before, 8 * 1024);
  mapped->release_pages(mapped->data() + 10, size - 20);  // whole pages within
  EXPECT_LT(resident_kb(), before - 7 * 1024);
  EXPECT_TRUE(mapped->text() == bytes);
  mapped->release_pages(mapped->data(), 5);  // less than a page
  mapped->release_pages(mapped->data(), 0);
}

TEST_F(Files, PipesAndDevicesAreRefusedWithoutWaiting) {  // hostile 13
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const fs::path& path : {pipe, fs::path("/dev/zero"), folder_}) {
    EXPECT_THROW(read_text(path), DataError) << path;
    EXPECT_THROW(LineReader{path}, DataError) << path;
    EXPECT_THROW(MappedFile::open(path), CheckpointError) << path;
  }
  EXPECT_THAT(open_regular_file(pipe).fault, HasSubstr("pipe"));
}

TEST_F(Files, LinesAreReadToTheEnd) {
  const fs::path path = folder_ / "lines";
  const std::string long_line(200'000, 'x');
  write_atomically(path, "a\n\n" + long_line + "\nlast");
  LineReader lines(path);
  std::string line;
  std::vector<std::string> all;
  while (lines.next(line)) all.push_back(line);
  EXPECT_THAT(all, testing::ElementsAre("a", "", long_line, "last"));
  EXPECT_EQ(lines.number(), 4);
}

TEST_F(Files, LinesAndTextsHaveLimits) {  // hostile 10
  const fs::path path = folder_ / "large";
  write_atomically(path, [](std::ostream& out) {
    const std::string block(1 << 20, 'x');
    for (std::size_t i = 0; i <= max_row_bytes >> 20; ++i) out << block;
  });
  LineReader lines(path);
  std::string line;
  EXPECT_THROW(lines.next(line), DataError);
  EXPECT_THROW(read_text(path), DataError);
  EXPECT_EQ(read_text(path, max_text_bytes + (2 << 20)).size(), max_row_bytes + (1 << 20));
}

}  // namespace
}  // namespace peftbench::files_test
