#include "data/readers/json_reader.h"
#include "rows_fixture.h"
#include "support/layers.h"

#include <nlohmann/json.hpp>

namespace peftbench::nested_rows_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

const char* const squad = R"({"version": "1.1", "data": [
 {"title": "Rome", "paragraphs": [
  {"context": "Rome is old.", "qas": [
   {"id": "1", "question": "What is old?", "answers": [{"text": "Rome", "answer_start": 0}]},
   {"id": "2", "question": "How is Rome?", "answers": []}]},
  {"context": "No questions.", "qas": []}]},
 {"title": "Oslo", "paragraphs": [{"context": "Oslo is cold.", "qas": [
   {"id": "3", "question": "What is cold?", "answers": [{"text": "Oslo"}, {"text": "It"}]}]}]}],
 "after": {"data": 1}})";

TEST_F(RowsTest, SquadGivesARowForEachQuestionWithWhatIsAroundIt) {
  const SourceSpec source = with_records({"data", "paragraphs", "qas"});
  const fs::path file = write("train-v1.1.json", squad);
  EXPECT_EQ(read(file, source, {"id", "context", "title", "answers.0.text", "data.title", "data.paragraphs.qas.id"}),
            (Table{{"1", "Rome is old.", "Rome", "Rome", "Rome", "1"},
                   {"2", "Rome is old.", "Rome", "<none>", "Rome", "2"},
                   {"3", "Oslo is cold.", "Oslo", "Oslo", "Oslo", "3"}}));
  const auto reader = RowReader::open(file, source);
  ASSERT_TRUE(reader->next());
  EXPECT_EQ(reader->count("answers"), 1u);
  EXPECT_THAT(reader->names(),
              ElementsAre("answers.0.answer_start", "answers.0.text", "id", "question", "context", "title"));
  EXPECT_THAT(reader->place(), testing::EndsWith("train-v1.1.json:2, item 1, record 1"));
  ASSERT_TRUE(reader->next() && reader->next());
  EXPECT_THAT(reader->place(), testing::EndsWith("train-v1.1.json:7, item 2, record 1"));
  EXPECT_EQ(reader->count("answers"), 2u);
  EXPECT_EQ(reader->count("title"), 0u);
}

TEST_F(RowsTest, InnerFieldsStandBeforeOuterOnesAndFullNamesForBoth) {
  const fs::path file = write(
      "multirc.jsonl", R"({"idx": 7, "passage": {"text": "P", "questions": [{"question": "Q", "idx": 8, "answers": )"
                       R"([{"text": "A", "idx": 9, "label": 1}, {"text": "B", "idx": 10, "label": 0}]}]}})"
                       "\n");
  EXPECT_EQ(read(file, with_records({"passage", "questions", "answers"}),
                 {"text", "idx", "label", "question", "passage.text", "passage.questions.idx",
                  "passage.questions.answers.idx", ".idx", ".passage.text", "passage.questions.0.idx"}),
            (Table{{"A", "9", "1", "Q", "P", "8", "9", "7", "P", "8"},
                   {"B", "10", "0", "Q", "P", "8", "10", "7", "P", "8"}}));
}

TEST_F(RowsTest, AFileMayGiveFieldsOtherNames) {
  SourceSpec source = with_records({"qas"});
  source.rename = {{"paragraph", "context"}, {"right", "answers"}, {"context", "nothing"}};
  const auto reader = RowReader::open(
      write("a.jsonl", R"({"context": "C", "qas": [{"q": "Q", "answers": [{"text": "x"}, {"text": "y"}]}]})"), source);
  ASSERT_TRUE(reader->next());
  EXPECT_EQ(reader->field("paragraph"), "C");
  EXPECT_EQ(reader->field("right.1.text"), "y");
  EXPECT_EQ(reader->field("answers.1.text"), "y");
  EXPECT_EQ(reader->count("right"), 2u);
  EXPECT_EQ(reader->field("context"), std::nullopt);
  EXPECT_EQ(reader->field("rightly"), std::nullopt);
}

TEST_F(RowsTest, MrqasHeaderIsNoRow) {
  const std::string row = R"({"id": "x", "context": "C", "qas": [{"qid": "1", "answers": ["a", "b"]}]})";
  EXPECT_EQ(read(write_gz("a.jsonl.gz", R"({"header": {"dataset": "BioASQ"}})"
                                        "\n" +
                                            row + "\n"),
                 with_records({"qas"}), {"context", "qid", "answers.1"}),
            (Table{{"C", "1", "b"}}));
  // In a later line it is a record that lacks its questions.
  EXPECT_THAT(fault("a.jsonl",
                    row + "\n"
                          R"({"header": {}})"
                          "\n",
                    with_records({"qas"})),
              AllOf(HasSubstr("a.jsonl:2: there is no 'qas'"), HasSubstr("the keys header")));
}

TEST_F(RowsTest, AJsonListIsReadItemByItem) {
  const Table expected = {{"1", "x,]}"}, {"2", "\"\\"}};
  EXPECT_EQ(read(write("a.json", "\xef\xbb\xbf [ {\"b\": \"x,]}\", \"a\": 1} ,\n\n{\"a\":2,\"b\":\"\\\"\\\\\"}\n]\n"),
                 {}, {"a", "b"}),
            expected);
  EXPECT_EQ(read(write("lines.json", "{\"a\": 1, \"b\": \"x,]}\"}\n{\"a\":2,\"b\":\"\\\"\\\\\"}\n"), {}, {"a", "b"}),
            expected);
  EXPECT_EQ(read(write("empty.json", "[]")), Table{});
  EXPECT_EQ(read(write("one.json", R"({"x": {"y": {"a": 5}}})"), with_records({"x", "y"}), {"a"}), (Table{{"5"}}));
  EXPECT_EQ(read(write("list.json", R"([{"y": [{"a": 5}, {"a": 6}]}, {"y": null}])"), with_records({"y"}), {"a"}),
            (Table{{"5"}, {"6"}}));
}

TEST_F(RowsTest, FaultsInJsonNameLineAndRecord) {
  EXPECT_THAT(
      fault("a.json", "[\n{\"a\": 1},\n{\"a\": }\n]"),
      AllOf(HasSubstr("a.json:3, item 2: not JSON"), HasSubstr("expected: a list of objects"), HasSubstr("fix:")));
  EXPECT_THAT(fault("a.json", "[{\"a\": 1,\n\"b\": x}]"), HasSubstr("a.json:2, item 1: not JSON"));
  EXPECT_THAT(fault("a.json", "[{\"a\": 1} {\"a\": 2}]"), AllOf(HasSubstr("'{' after a list item"), HasSubstr("','")));
  EXPECT_THAT(fault("a.json", "[{\"a\": 1},\n3]"), HasSubstr("a.json:2, item 2: a record is not a JSON object"));
  EXPECT_THAT(fault("a.json", "[{\"a\": \"\n\xff\"}]"), HasSubstr("not UTF-8"));
  EXPECT_THAT(fault("a.json", "[{\"a\": 1}]\nx"), HasSubstr("a.json:2, item 1: text after the end of the list"));
  EXPECT_THAT(fault("a.json", "\n\n"), HasSubstr("the file is empty"));
  EXPECT_THAT(fault("a.json", "3"), HasSubstr("a.json:1: not a list of records"));
  for (const char* cut :
       {"[", "[{\"a\": 1}", "[{\"a\": 1},", "[{\"a\": \"x", "[{\"a\": \"x\\", "{\"data\": [", "{\"data\""}) {
    EXPECT_THAT(fault("a.json", cut, *cut == '{' ? with_records({"data"}) : SourceSpec{}), HasSubstr("ends early"))
        << cut;
  }
  EXPECT_THAT(fault("a.json", R"({"version": 1, "data": [{"a": 1}]})"),
              AllOf(HasSubstr("a.json:1: the file is one JSON object"), HasSubstr("version, data"),
                    HasSubstr("records: data")));
  EXPECT_THAT(fault("a.json", R"({"version": 1, "data": []})", with_records({"dtaa"})),
              AllOf(HasSubstr("there is no 'dtaa'"), HasSubstr("did you mean 'data'")));
  EXPECT_THAT(fault("a.json", squad, with_records({"data", "paragraphs", "questions"})),
              AllOf(HasSubstr("a.json:2, item 1: there is no 'questions'"), HasSubstr("context, qas")));
}

// A document of 60 MB in memory of a few: the parts that were read are not kept.
TEST_F(RowsTest, AJsonListDoesNotHaveToFitInMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer keeps memory that was freed";
#endif
  const auto peak = [] {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
    }
    return 0l;
  };
  const fs::path file = folder_ / "large.json";
  {
    std::ofstream out(file, std::ios::binary);
    const std::string text(1000, 'x');
    for (int i = 0; i < 60000; ++i) out << (i == 0 ? '[' : ',') << "{\"t\":\"" << text << "\"}";
    out << ']';
  }
  const auto reader = RowReader::open(file, {});
  const long before = peak();
  long most = before;
  for (int rows = 0; reader->next(); ++rows) {
    if (rows % 10000 == 0) most = std::max(most, peak());
  }
  EXPECT_LT(most - before, 8000) << "kB";
}

TEST_F(RowsTest, PackedFilesGiveTheSameRows) {
  const std::vector<std::pair<std::string, std::string>> files = {{"a.csv", "a,b\n1,\"x\ny\"\n2,é\n"},
                                                                  {"a.tsv", "a\tb\n1\tx\n"},
                                                                  {"a.jsonl", "{\"a\":1,\"b\":2}\n"},
                                                                  {"a.json", "[{\"a\":1,\"b\":2}]"},
                                                                  {"b.csv",
                                                                   "\xef\xbb\xbf"
                                                                   "a,b\n1,2\n"}};
  for (const auto& [name, text] : files)
    EXPECT_EQ(read(write_gz(name + ".gz", text), {}, {"a", "b"}), read(write(name, text), {}, {"a", "b"})) << name;
  std::string large = "a,b\n";  // larger than any buffer
  for (int i = 0; i < 100000; ++i) large += std::to_string(i) + "," + std::to_string(i * 7919) + "\n";
  EXPECT_EQ(read(write_gz("large.csv.gz", large)), read(write("large.csv", large)));
  // Two packed files, one behind the other, are one: gzip says so.
  const std::string two = bytes(write_gz("x.csv.gz", "a,b\n1,2\n")) + bytes(write_gz("y.csv.gz", "3,4\n"));
  EXPECT_EQ(read(write("two.csv.gz", two)), (Table{{"1", "2"}, {"3", "4"}}));
}

TEST_F(RowsTest, BrokenPackedFilesAreNamedWithTheLine) {
  std::string text = "a\n";
  Random random(5);
  for (int i = 0; i < 30000; ++i) text += std::to_string(random.below(1u << 30)) + "\n";
  const std::string packed = bytes(write_gz("a.csv.gz", text));
  EXPECT_THAT(fault("cut.csv.gz", packed.substr(0, packed.size() / 2)),
              AllOf(testing::ContainsRegex("cut.csv.gz:[0-9]+: the gzip data ends early"), HasSubstr("fix:")));
  std::string broken = packed;
  broken[packed.size() / 2] = static_cast<char>(broken[packed.size() / 2] ^ 0x55);
  EXPECT_THAT(fault("broken.csv.gz", broken), HasSubstr("gzip data"));
  EXPECT_THAT(fault("plain.csv.gz", "a\n1\n"), AllOf(HasSubstr("plain.csv.gz:1"), HasSubstr("is not gzip data")));
  EXPECT_THAT(fault("sum.csv.gz", packed.substr(0, packed.size() - 8) + "12345678"),
              HasSubstr("the gzip data is damaged"));
}

TEST_F(RowsTest, ShortRowsAreLeftOutWhereTheTaskSaysSo) {
  SourceSpec source;
  source.skip_short_rows = true;
  const auto reader = RowReader::open(write("a.tsv", "a\tb\n1\t2\n3\n4\t5\n6\t7\t8\n"), source);
  Table rows;
  while (reader->next()) rows.push_back({*reader->field("a"), *reader->field("b")});
  EXPECT_EQ(rows, (Table{{"1", "2"}, {"4", "5"}, {"6", "7"}}));
  EXPECT_EQ(reader->skipped(), 1);
  EXPECT_EQ(reader->cut(), 1);
  EXPECT_THAT(fault("a.tsv", "a\tb\n1\t2\t3\n"), HasSubstr("a.tsv:2: the wrong number of columns"));
}

// A file of each format, plain and packed, cut anywhere, or with a few bytes changed: rows or a DataError.
TEST_F(RowsTest, DamagedFilesAreRowsOrDataErrors) {
  Random random(11);
  std::string csv = "a,b\n", jsonl, json = "{\"x\": 1, \"data\": [";
  for (int i = 0; i < 40; ++i) {
    const std::string text = random_text(random, {"a", "é", " ", "\"", ",", "\n", "😀", "}"}, 12);
    const Json row = {{"a", i}, {"b", text}, {"c", {{"d", {1, 2.5, nullptr, true}}}}};
    csv += std::to_string(i) + ",\"x" + std::to_string(random.below(1000)) + "\"\n";
    jsonl += Json{{"data", {row, row}}}.dump() + "\n";
    json += (i > 0 ? "," : "") + row.dump();
  }
  json += "]}";
  int rows = 0, errors = 0;
  for (const auto& [name, text] :
       std::vector<std::pair<std::string, std::string>>{{"d.csv", csv},
                                                        {"d.jsonl", jsonl},
                                                        {"d.json", json},
                                                        {"d.csv.gz", bytes(write_gz("x.gz", csv))},
                                                        {"d.jsonl.gz", bytes(write_gz("x.gz", jsonl))},
                                                        {"d.json.gz", bytes(write_gz("x.gz", json))}}) {
    const SourceSpec source = name.starts_with("d.json") ? with_records({"data"}) : SourceSpec{};
    ASSERT_EQ(read(write(name, text), source, {"a"}).size(), name.starts_with("d.jsonl") ? 80u : 40u) << name;
    for (int round = 0; round < 250; ++round) {
      std::string damaged = text.substr(0, 1 + random.below(text.size()));
      if (random.below(2) == 0) damaged = text;
      for (std::uint64_t n = random.below(4); n > 0; --n)
        damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
      try {
        rows += static_cast<int>(read(write(name, damaged), source, {"a", "b", "c.d.1"}).size());
      } catch (const DataError& error) {
        EXPECT_THAT(error.what(), AllOf(HasSubstr(name), HasSubstr("found:")));
        ++errors;
      }
    }
  }
  EXPECT_GT(rows, 1000);
  EXPECT_GT(errors, 500);
}

}  // namespace
}  // namespace peftbench::nested_rows_test
