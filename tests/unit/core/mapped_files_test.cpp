// hostile 12: a file that changes while it is mapped is known.
#include "core/mapped_files.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <fstream>

namespace peftbench::mapped_files_test {

using namespace layers;

namespace {

using testing::Contains;
using testing::Not;

class MappedFiles : public testing::Test {
 protected:
  MappedFiles() : path_(fs::temp_directory_path() / ("peftbench_mapped_" + std::to_string(::getpid()))) {
    write_atomically(path_, "some bytes");
  }
  ~MappedFiles() override { fs::remove(path_); }
  fs::path path_;
};

TEST_F(MappedFiles, AnAddressIsOfItsFileAsLongAsThatIsMapped) {
  const std::byte* address = nullptr;
  {
    const auto file = MappedFile::open(path_);
    address = file->data();
    EXPECT_STREQ(mapped_files::path_at(address + 9), path_.c_str());
    EXPECT_EQ(mapped_files::path_at(address + 10), nullptr);
  }
  EXPECT_EQ(mapped_files::path_at(address), nullptr);
  EXPECT_EQ(mapped_files::path_at(nullptr), nullptr);
}

TEST_F(MappedFiles, WhoWritesIntoItIsNoticedAndWhoReplacesItIsNot) {
  const auto file = MappedFile::open(path_);
  EXPECT_THAT(mapped_files::changed(), Not(Contains(path_)));
  write_atomically(path_, "other bytes under the same name");
  EXPECT_THAT(mapped_files::changed(), Not(Contains(path_))) << "the mapping is still of the file as it was";
  EXPECT_EQ(file->text(), "some bytes");

  const auto second = MappedFile::open(path_);
  ASSERT_EQ(::truncate(path_.c_str(), 3), 0);
  EXPECT_THAT(mapped_files::changed(), Contains(path_));
}

TEST_F(MappedFiles, WritingInPlaceIsNoticed) {
  const auto file = MappedFile::open(path_);
  ::usleep(20'000);  // the clock of files is coarse
  std::fstream(path_, std::ios::in | std::ios::out) << "x";
  EXPECT_THAT(mapped_files::changed(), Contains(path_));
}

}  // namespace
}  // namespace peftbench::mapped_files_test
