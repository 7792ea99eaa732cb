#include "data/readers/parquet_reader.h"
#include "support/layers.h"

#include "rows_fixture.h"

#include <nlohmann/json.hpp>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/writer.h>

#include <cmath>

namespace peftbench::parquet_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

// A table as data sets have them, and the same rows as JSONL.
struct Rows {
  std::shared_ptr<arrow::Table> table;
  std::string jsonl;
};

Rows make_rows(int count) {
  const auto answers = std::make_shared<arrow::StructBuilder>(
      arrow::struct_(
          {arrow::field("text", arrow::list(arrow::utf8())), arrow::field("start", arrow::list(arrow::int32()))}),
      arrow::default_memory_pool(),
      std::vector<std::shared_ptr<arrow::ArrayBuilder>>{
          std::make_shared<arrow::ListBuilder>(arrow::default_memory_pool(), std::make_shared<arrow::StringBuilder>()),
          std::make_shared<arrow::ListBuilder>(arrow::default_memory_pool(), std::make_shared<arrow::Int32Builder>())});
  arrow::StringBuilder text;
  arrow::Int64Builder label;
  arrow::FloatBuilder score;
  arrow::DoubleBuilder exact;
  arrow::BooleanBuilder flag;
  arrow::StringDictionaryBuilder kind;
  EXPECT_TRUE(text.AppendNull().ok() && label.Append(-1).ok() && score.Append(3.8f).ok() && exact.Append(2).ok() &&
              flag.Append(true).ok() && kind.Append("k").ok() && answers->AppendNull().ok());
  std::string jsonl = R"({"text":null,"label":-1,"score":3.8,"exact":2.0,"flag":true,"kind":"k","answers":null})"
                      "\n";
  Random random(3);
  for (int i = 1; i < count; ++i) {
    const std::string words = random_text(random, {"a", "é", "\n", "\"", "😀", ",", std::string(1, '\0')}, 8);
    const int items = static_cast<int>(random.below(3));
    const auto tenth = static_cast<float>(i) / 10;
    EXPECT_TRUE(text.Append(words).ok() && label.Append(i).ok() && score.Append(tenth).ok() &&
                exact.Append(i / 8.0).ok() && flag.Append(i % 2 == 0).ok() &&
                kind.Append(i % 3 == 0 ? "x" : "y").ok() && answers->Append().ok());
    auto& texts = static_cast<arrow::ListBuilder&>(*answers->field_builder(0));
    auto& starts = static_cast<arrow::ListBuilder&>(*answers->field_builder(1));
    EXPECT_TRUE(texts.Append().ok() && starts.Append().ok());
    Json row = {{"text", words},    {"label", i},         {"score", std::round(tenth * 10) / 10.0},
                {"exact", i / 8.0}, {"flag", i % 2 == 0}, {"kind", i % 3 == 0 ? "x" : "y"}};
    row["answers"] = {{"text", Json::array()}, {"start", Json::array()}};
    for (int n = 0; n < items; ++n) {
      EXPECT_TRUE(static_cast<arrow::StringBuilder&>(*texts.value_builder()).Append(words + std::to_string(n)).ok());
      EXPECT_TRUE(static_cast<arrow::Int32Builder&>(*starts.value_builder()).Append(n).ok());
      row["answers"]["text"].push_back(words + std::to_string(n));
      row["answers"]["start"].push_back(n);
    }
    jsonl += row.dump() + "\n";
  }
  std::vector<std::shared_ptr<arrow::Array>> columns;
  std::vector<std::shared_ptr<arrow::Field>> fields;
  const std::vector<std::pair<const char*, arrow::ArrayBuilder*>> builders = {
      {"text", &text}, {"label", &label}, {"score", &score},         {"exact", &exact},
      {"flag", &flag}, {"kind", &kind},   {"answers", answers.get()}};
  for (const auto& [name, builder] : builders) {
    columns.push_back(builder->Finish().ValueOrDie());
    fields.push_back(arrow::field(name, columns.back()->type()));
  }
  return {arrow::Table::Make(arrow::schema(fields), columns), jsonl};
}

class ParquetTest : public RowsTest {
 protected:
  fs::path write_parquet(const std::string& name, const arrow::Table& table, std::int64_t group) const {
    const auto out = arrow::io::FileOutputStream::Open((folder_ / name).string()).ValueOrDie();
    const arrow::Status written = parquet::arrow::WriteTable(table, arrow::default_memory_pool(), out, group);
    EXPECT_TRUE(written.ok()) << written.ToString();
    EXPECT_TRUE(out->Close().ok());
    return folder_ / name;
  }
};

TEST_F(ParquetTest, HasTheFieldsOfTheSameRowsInJsonl) {
  const Rows rows = make_rows(3000);
  const std::vector<std::string> names = {
      "text", "label",          "score",          "exact",           "flag",
      "kind", "answers.text.0", "answers.text.1", "answers.start.0", "answers.none"};
  const Table expected = read(write("a.jsonl", rows.jsonl), {}, names);
  ASSERT_EQ(expected.size(), 3000u);
  for (const std::int64_t group : {1 << 20, 700}) {  // rows of a row group
    const Table found = read(write_parquet("b.parquet", *rows.table, group), {}, names);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], expected[i]) << "row " << i + 1;
  }
  EXPECT_EQ(expected[0], (std::vector<std::string>{"<none>", "-1", "3.8", "2.0", "true", "k", "<none>", "<none>",
                                                   "<none>", "<none>"}));
  const auto reader = RowReader::open(folder_ / "b.parquet", {});
  for (int i = 0; i < 1234; ++i) ASSERT_TRUE(reader->next());
  EXPECT_THAT(reader->place(), testing::EndsWith("b.parquet:1234"));
}

TEST_F(ParquetTest, FaultsNameFileAndRow) {
  const Rows rows = make_rows(50);
  const std::string whole = bytes(write_parquet("a.parquet", *rows.table, 16));
  EXPECT_THAT(fault("cut.parquet", whole.substr(0, whole.size() / 2)),
              AllOf(HasSubstr("cut.parquet:1: the parquet file cannot be read"),
                    HasSubstr("fix:      download the file again")));
  EXPECT_THAT(fault("no.parquet", "id,text\n1,x\n"), HasSubstr("no.parquet:1: the parquet file cannot be read"));
  arrow::BinaryBuilder latin;
  ASSERT_TRUE(latin.Append("fine").ok() && latin.Append("caf\xe9").ok());
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("text", arrow::binary())}), {latin.Finish().ValueOrDie()});
  EXPECT_THAT(message<DataError>([&] { read(write_parquet("latin.parquet", *table, 10), {}, {"text"}); }),
              AllOf(HasSubstr("latin.parquet:2: the field 'text' is not UTF-8 text"), HasSubstr("4 bytes"),
                    testing::Not(HasSubstr("iconv"))));
  arrow::StringBuilder claimed;
  ASSERT_TRUE(claimed.Append("caf\xe9").ok());
  const auto wrong =
      arrow::Table::Make(arrow::schema({arrow::field("text", arrow::utf8())}), {claimed.Finish().ValueOrDie()});
  EXPECT_THAT(message<DataError>([&] { read(write_parquet("wrong.parquet", *wrong, 10), {}, {"text"}); }),
              AllOf(HasSubstr("text that is not UTF-8"), HasSubstr("write the file again")));
}

// Sets of pictures with captions: {image: {bytes, path}, caption}.
TEST_F(ParquetTest, BytesAreNoHindranceToWhoDoesNotAskForThem) {
  const auto type = arrow::struct_({arrow::field("bytes", arrow::binary()), arrow::field("path", arrow::utf8())});
  const auto data = std::make_shared<arrow::BinaryBuilder>();
  const auto path = std::make_shared<arrow::StringBuilder>();
  arrow::StructBuilder image(type, arrow::default_memory_pool(), {data, path});
  arrow::StringBuilder caption;
  arrow::FixedSizeBinaryBuilder digest(arrow::fixed_size_binary(2));
  for (const char* name : {"a cat", "a dog"}) {
    ASSERT_TRUE(image.Append().ok() && data->Append("\x89PNG\r\n\xff").ok() && path->Append("x.png").ok() &&
                caption.Append(name).ok() && digest.Append("\xff\xfe").ok());
  }
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("image", type), arrow::field("caption", arrow::utf8()),
                                        arrow::field("digest", digest.type())}),
                         {image.Finish().ValueOrDie(), caption.Finish().ValueOrDie(), digest.Finish().ValueOrDie()});
  const fs::path file = write_parquet("a.parquet", *table, 1);
  EXPECT_EQ(read(file, {}, {"caption", "image.path"}), (Table{{"a cat", "x.png"}, {"a dog", "x.png"}}));
  EXPECT_THAT(message<DataError>([&] { read(file, {}, {"image.bytes"}); }),
              AllOf(HasSubstr("a.parquet:1: the field 'image.bytes' is not UTF-8 text"), HasSubstr("7 bytes")));
  const auto reader = RowReader::open(file, {});
  ASSERT_TRUE(reader->next());
  EXPECT_THAT(reader->names(), testing::IsSupersetOf({"caption", "image.bytes", "image.path"}));
}

TEST_F(ParquetTest, ListsOfRecordsGiveARowEach) {
  arrow::StringBuilder context;
  auto inner = std::make_shared<arrow::StringBuilder>();
  auto records = std::make_shared<arrow::StructBuilder>(arrow::struct_({arrow::field("q", arrow::utf8())}),
                                                        arrow::default_memory_pool(),
                                                        std::vector<std::shared_ptr<arrow::ArrayBuilder>>{inner});
  arrow::ListBuilder list(arrow::default_memory_pool(), records);
  for (const int count : {2, 0, 1}) {
    ASSERT_TRUE(context.Append("c" + std::to_string(count)).ok() && list.Append().ok());
    for (int i = 0; i < count; ++i) ASSERT_TRUE(records->Append().ok() && inner->Append("q" + std::to_string(i)).ok());
  }
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("context", arrow::utf8()), arrow::field("qas", list.type())}),
                         {context.Finish().ValueOrDie(), list.Finish().ValueOrDie()});
  EXPECT_EQ(read(write_parquet("a.parquet", *table, 2), with_records({"qas"}), {"context", "q"}),
            (Table{{"c2", "q0"}, {"c2", "q1"}, {"c1", "q0"}}));
}

TEST_F(ParquetTest, TruncatedFilesAreDataErrors) {
  const std::string whole = bytes(write_parquet("a.parquet", *make_rows(200).table, 64));
  Random random(4);
  for (int round = 0; round < 200; ++round) {
    const std::string cut = whole.substr(0, 1 + random.below(whole.size() - 1));
    EXPECT_THAT(fault("cut.parquet", cut), HasSubstr("cut.parquet:1: the parquet file cannot be read")) << cut.size();
  }
}

TEST_F(ParquetTest, DamagedFilesAreRowsOrDataErrors) {
  const std::string whole = bytes(write_parquet("a.parquet", *make_rows(200).table, 64));
  Random random(6);
  int rows = 0, errors = 0;
  for (int round = 0; round < 300; ++round) {
    std::string damaged = whole;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n)
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    try {
      rows += static_cast<int>(read(write("d.parquet", damaged), {}, {"text", "answers.text.0"}).size());
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("d.parquet:"));
      ++errors;
    }
  }
  EXPECT_GT(rows, 1000);
  EXPECT_GT(errors, 20);
}

}  // namespace
}  // namespace peftbench::parquet_test
