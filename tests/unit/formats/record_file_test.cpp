#include "formats/record_file.h"
#include "support/layers.h"

#include "core/random.h"
#include "formats/bytes.h"
#include "unit/data/data_fixture.h"

#include <vector>

namespace peftbench::record_file_test {

using namespace layers;

namespace {

class RecordFileTest : public DataTest {
 protected:
  // Records of all lengths, some longer than a block.
  static std::vector<std::string> some_records(std::uint64_t seed, std::size_t count) {
    Random random(seed);
    std::vector<std::string> records;
    for (std::size_t i = 0; i < count; ++i) {
      std::string record(random.below(random.below(40) == 0 ? 20'000 : 300), '\0');
      for (char& c : record) c = static_cast<char>(random.below(256));
      records.push_back(std::move(record));
    }
    return records;
  }

  fs::path written(const std::vector<std::string>& records, const std::string& key = "made from this") const {
    const fs::path path = folder_ / "records";
    const std::vector<std::uint32_t> numbers = {3, 1, 2};
    write_atomically(path, [&](std::ostream& out) {
      RecordWriter writer(out, key);
      for (const std::string& record : records) writer.add(record);
      writer.finish({{"numbers", {reinterpret_cast<const char*>(numbers.data()), 12}}, {"words", "a section"}});
    });
    return path;
  }
};

TEST_F(RecordFileTest, GivesBackWhatWasWrittenInAnyOrder) {
  for (const std::size_t count : {0u, 1u, 2u, 500u}) {
    const std::vector<std::string> records = some_records(count, count);
    const RecordFile::Opened opened = RecordFile::open(written(records), "made from this");
    ASSERT_TRUE(opened.file) << opened.damage;
    ASSERT_EQ(opened.file->size(), count);
    EXPECT_EQ(opened.file->section("words"), "a section");
    EXPECT_EQ(opened.file->numbers("numbers"), (std::vector<std::uint32_t>{3, 1, 2}));
    RecordFile::Cursor cursor(*opened.file);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(cursor.at(i), records[i]) << i;
    Random random(5);
    for (std::size_t i = 0; i < 4 * count; ++i) {
      const std::size_t at = random.below(count);
      ASSERT_EQ(cursor.at(at), records[at]) << at;
    }
    EXPECT_THROW(cursor.at(count), std::out_of_range);
  }
}

TEST_F(RecordFileTest, SaysWhyAFileIsNotTheOne) {
  EXPECT_EQ(RecordFile::open(folder_ / "absent", "x").damage, "");
  EXPECT_FALSE(RecordFile::open(folder_ / "absent", "x").file);
  EXPECT_EQ(RecordFile::open(written({"a"}), "another").damage, "it was made from something else");
  EXPECT_EQ(RecordFile::open(write("empty", ""), "x").damage, "it is too short");
  EXPECT_EQ(RecordFile::open(write("text", std::string(200, 'x')), "x").damage, "its header is invalid");
  fs::create_directory(folder_ / "folder");
  EXPECT_FALSE(RecordFile::open(folder_ / "folder", "x").file);
}

// Whatever becomes of the bytes: what is opened is what was written, or it is not opened.
TEST_F(RecordFileTest, DamageIsNoticedWhenItIsOpened) {
  const std::vector<std::string> records = some_records(9, 120);
  const std::string whole = read_text(written(records));
  Random random(1);
  for (int round = 0; round < 600; ++round) {
    std::string bytes = whole;
    if (round % 3 == 0) bytes.resize(random.below(bytes.size()));
    if (round % 3 == 1) bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
    if (round % 3 == 2) {
      const std::size_t begin = random.below(bytes.size());
      for (std::size_t i = begin; i < std::min(bytes.size(), begin + 1 + random.below(5000)); ++i)
        bytes[i] = static_cast<char>(random.below(256));
    }
    if (bytes == whole) continue;
    const RecordFile::Opened opened = RecordFile::open(write("damaged", bytes), "made from this");
    EXPECT_FALSE(opened.file) << "round " << round;
    EXPECT_NE(opened.damage, "") << "round " << round;
  }
}

// Files that are too large to be read when they are opened are read into later; a small one stands for them here.
TEST_F(RecordFileTest, DamageIsNoticedWhereItIsReadAndTheFileRemoved) {
  const std::vector<std::string> records = some_records(2, 400);
  const fs::path path = written(records);
  const RecordFile::Opened opened = RecordFile::open(path, "made from this");
  ASSERT_TRUE(opened.file);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(fs::file_size(path) / 2));
  file << "damage";
  file.close();
  const auto read_all = [&] {
    RecordFile::Cursor cursor(*opened.file);
    for (std::size_t i = 0; i < records.size(); ++i) EXPECT_EQ(cursor.at(i), records[i]);
  };
  EXPECT_THAT(message<DataError>(read_all), testing::HasSubstr("run the same command again"));
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(RecordFileTest, AFileThatIsReplacedStaysReadable) {
  const std::vector<std::string> records = some_records(3, 50);
  const RecordFile::Opened opened = RecordFile::open(written(records), "made from this");
  written({"other"});
  RecordFile::Cursor cursor(*opened.file);
  EXPECT_EQ(cursor.at(49), records[49]);
}

TEST(Bytes, NumbersAndTextsComeBackAndNothingIsReadBeyondTheEnd) {
  const std::vector<std::int64_t> numbers = {0, 1, -1, 63, 64, -65, 1ll << 40, INT64_MAX, INT64_MIN};
  ByteWriter writer;
  for (const std::int64_t number : numbers) writer.whole(number);
  writer.number(UINT64_MAX);
  writer.text("a text");
  ByteReader reader(writer.bytes());
  for (const std::int64_t number : numbers) EXPECT_EQ(reader.whole(), number);
  EXPECT_EQ(reader.number(), UINT64_MAX);
  EXPECT_EQ(reader.text(), "a text");
  EXPECT_THROW(reader.number(), std::out_of_range);
  for (std::size_t size = 0; size < writer.bytes().size(); ++size) {
    ByteReader cut(std::string_view(writer.bytes()).substr(0, size));
    const auto read_all = [&] {
      for (std::size_t i = 0; i < numbers.size(); ++i) cut.whole();
      cut.number();
      cut.text();
    };
    EXPECT_THROW(read_all(), std::out_of_range) << size;
  }
  EXPECT_THROW(ByteReader("\x05").count(), std::out_of_range);
}

}  // namespace
}  // namespace peftbench::record_file_test
