#include "data/readers/rows.h"
#include "support/layers.h"

#include "data/readers/row_input.h"
#include "rows_fixture.h"

#include <nlohmann/json.hpp>

#include <unistd.h>

namespace peftbench::rows_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST_F(RowsTest, ReadsCsvAsRfc4180HasIt) {
  const fs::path file = write(
      "a.csv", "\xef\xbb\xbfname,said\r\nAnn,\"one, two\"\r\n\"B\"\"ob\",\"line\r\nbreak\"\r\n\r\n9\" tv,\"\"\n,é");
  EXPECT_EQ(read(file), (Table{{"Ann", "one, two"}, {"B\"ob", "line\r\nbreak"}, {"9\" tv", ""}, {"", "é"}}));
}

TEST_F(RowsTest, KnowsTheLineOfARowAfterLineBreaksInQuotes) {
  const auto reader = RowReader::open(write("a.csv", "a,b\n\"1\n2\n3\",x\n\n4,y\n"), {});
  ASSERT_TRUE(reader->next());
  EXPECT_THAT(reader->place(), HasSubstr("a.csv:2"));
  ASSERT_TRUE(reader->next());
  EXPECT_THAT(reader->place(), HasSubstr("a.csv:6"));
  EXPECT_FALSE(reader->next());
}

TEST_F(RowsTest, TsvTakesQuotesAsTheyAre) {
  EXPECT_EQ(read(write("a.tsv", "x\ty\n\"open\tsay \"hi\"\n")), (Table{{"\"open", "say \"hi\""}}));
  SourceSpec quoted;
  quoted.quote = std::optional<char>('"');
  EXPECT_EQ(read(write("a.tsv", "x\ty\n\"a\tb\"\tc\n"), quoted), (Table{{"a\tb", "c"}}));
}

TEST_F(RowsTest, TakesColumnsAndDelimiterFromTheTask) {
  SourceSpec source = with_columns({"id", "text"});
  source.delimiter = ';';
  EXPECT_EQ(read(write("a.csv", "1;x\n2;y\n"), source), (Table{{"1", "x"}, {"2", "y"}}));
  source.header = true;  // there is one, but the task's names stand for it
  EXPECT_EQ(read(write("a.csv", "A;A\n2;y\n"), source, {"id", "text"}), (Table{{"2", "y"}}));
}

TEST_F(RowsTest, ReadsJsonlWithNestedFields) {
  const fs::path file =
      write("a.jsonl",
            "{\"text\": \"é\\n\", \"a\": {\"b\": [1, {\"c\": true}]}, \"x.y\": 2.5, \"none\": null}\r\n"
            "\n"
            "{\"text\": \"\", \"a\": 3}\n");
  EXPECT_EQ(read(file, {}, {"text", "a.b.0", "a.b.1.c", "x.y", "none"}),
            (Table{{"é\n", "1", "true", "2.5", "<none>"}, {"", "<none>", "<none>", "<none>", "<none>"}}));
  const auto reader = RowReader::open(file, {});
  reader->next();
  EXPECT_THAT(reader->names(), testing::UnorderedElementsAre("text", "a.b.0", "a.b.1.c", "x.y", "none"));
  EXPECT_THAT(message<DataError>([&] { reader->field("a"); }), AllOf(HasSubstr("a.jsonl:1"), HasSubstr("'a.b'")));
}

TEST_F(RowsTest, LinesOfTextAreRowsWithOneValue) {
  const auto reader = open_rows({write("a.txt", "\xef\xbb\xbfone, two\r\n\n\"three").string(), ""}, {"text", "said"});
  for (const std::string line : {"one, two", "", "\"three"}) {
    ASSERT_TRUE(reader->next());
    EXPECT_EQ(reader->field("text"), line);
    EXPECT_EQ(reader->field("said"), line);
    EXPECT_FALSE(reader->field("other"));
  }
  EXPECT_THAT(reader->place(), HasSubstr("a.txt:3"));
  EXPECT_FALSE(reader->next());
  const auto bad = open_rows({write("b.csv", "ok\nb\xff\n").string(), "lines"}, {"text"});
  ASSERT_TRUE(bad->next());
  EXPECT_THAT(message<DataError>([&] { bad->next(); }), HasSubstr("b.csv:2: not UTF-8"));
}

TEST_F(RowsTest, AGivenFileHasAKnownFormat) {
  const std::string table = write("a.dat", "x,y\n1,2\n").string();
  const auto reader = open_rows({table, "csv"}, {});
  ASSERT_TRUE(reader->next());
  EXPECT_EQ(reader->field("y"), "2");
  EXPECT_THAT(message<ConfigError>([&] {
                open_rows({table, ""}, {});
              }),
              AllOf(HasSubstr(".dat"), HasSubstr("--format")));
  EXPECT_THAT(message<ConfigError>([&] { open_rows({table, "cvs"}, {}); }), HasSubstr("csv"));
  EXPECT_THAT(message<ConfigError>([&] { open_rows({"-", ""}, {}); }), HasSubstr("standard input"));
  EXPECT_THAT(message<ConfigError>([&] { open_rows({"-", "parquet"}, {}); }), HasSubstr("write it to a file"));
  EXPECT_TRUE(is_lines({"a.txt.gz", ""}));
  EXPECT_FALSE(is_lines({"a.txt", "csv"}));
}

TEST_F(RowsTest, AStreamGivesARowAsSoonAsItIsThere) {
  for (const auto& [format, header, first, second] :
       {std::tuple{SourceFormat::jsonl, "", "{\"a\": \"1\"}\n", "{\"a\": \"2\"}\n"},
        std::tuple{SourceFormat::csv, "a\n", "1\n", "2\n"}}) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe(ends), 0);
    const auto send = [&](const std::string& text) {
      ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    };
    SourceSpec source;
    source.format = format;
    send(std::string(header) + first);
    const auto reader = RowReader::of_stream(ends[0], "the stream", source);
    ASSERT_TRUE(reader->next());  // would wait for ever
    EXPECT_EQ(reader->field("a"), "1");
    send(second);
    ASSERT_TRUE(reader->next());
    EXPECT_EQ(reader->field("a"), "2");
    EXPECT_THAT(reader->place(), HasSubstr("the stream:"));
    ::close(ends[1]);
    EXPECT_FALSE(reader->next());
    ::close(ends[0]);
  }
}

TEST_F(RowsTest, FaultsNameFileAndLine) {
  EXPECT_THAT(fault("a.csv", "a,b\n1,2\n3\n"), AllOf(HasSubstr("a.csv:3: the wrong number of columns"),
                                                     HasSubstr("found:    1"), HasSubstr("2 (a, b)")));
  EXPECT_THAT(fault("a.csv", "a,b\n1,2,3\n"), HasSubstr("a.csv:2: the wrong number of columns"));
  EXPECT_THAT(fault("a.csv", "a\n\"x\ny\n"),
              AllOf(HasSubstr("a.csv:2: unterminated quoted field"), HasSubstr("x\\ny")));
  EXPECT_THAT(fault("a.csv", "a\n\"x\"y\n"), HasSubstr("a.csv:2: text after a closing quote"));
  EXPECT_THAT(fault("a.csv", "a\nok\nb\xffz\n"),
              AllOf(HasSubstr("a.csv:3: not UTF-8"), HasSubstr("byte 2"), HasSubstr("iconv")));
  EXPECT_THAT(fault("a.csv", "a,a\n"), HasSubstr("a.csv:1: duplicate column name"));
  EXPECT_THAT(fault("a.csv", "\n\n"), HasSubstr("the file is empty"));
  EXPECT_THAT(fault("a.csv", ""), HasSubstr("the file is empty"));
  EXPECT_THAT(fault("a.jsonl", "{\"a\": 1}\n{\"a\": }\n"),
              AllOf(HasSubstr("a.jsonl:2: not JSON"), HasSubstr("column 7")));
  EXPECT_THAT(fault("a.jsonl", "[{\"a\": 1}]\n"), HasSubstr("a.jsonl:1: the line is not a JSON object"));
  EXPECT_THAT(fault("a.jsonl", "[\n"), HasSubstr("on its own line"));
  EXPECT_THAT(fault("a.jsonl", "{\"a\": \"\xff\"}\n"), HasSubstr("a.jsonl:1: not UTF-8"));
  SourceSpec csv;
  csv.format = SourceFormat::csv;
  EXPECT_THAT(message<DataError>([&] { RowReader::open(folder_, csv); }), HasSubstr("a folder"));
  EXPECT_THAT(message<ConfigError>([&] { read(write("a.txt", "{}")); }),
              AllOf(HasSubstr(".txt"), HasSubstr(".json"), HasSubstr("format: csv")));
}

// What any table holds comes back, whichever of the fields that need no quotes are quoted.
// hostile 10
TEST_F(RowsTest, RowsAreBounded) {
  EXPECT_THAT(fault("r.csv", "a,b\n" + std::string(200'000, ',')),
              testing::AllOf(testing::HasSubstr("r.csv:2: a row has too many columns"), testing::HasSubstr("100,000"),
                             testing::HasSubstr("max_columns")));
  const std::string much(max_row_bytes + 1, 'x');
  EXPECT_THAT(fault("r.csv", "a,b\n1,2\n" + much + ",b\n"), testing::HasSubstr("r.csv:3: a row is too long"));
  EXPECT_THAT(fault("q.csv", "a,b\n1,2\n\"" + much), testing::HasSubstr("a row is too long"));
  EXPECT_THAT(fault("r.jsonl", "{\"a\": 1}\n{\"a\": \"" + much + "\"}\n"),
              testing::HasSubstr("r.jsonl:2: the line is too long"));
  EXPECT_THAT(fault("r.json", "[{\"a\": 1},\n{\"a\": \"" + much + "\"}]"), testing::HasSubstr("a record is too long"));
  EXPECT_THAT(message<DataError>([&] { read(write_gz("r.jsonl.gz", "{\"a\": 1}\n" + much)); }),
              testing::HasSubstr("the line is too long"));
}

TEST_F(RowsTest, TheTaskSetsTheLimitsOfARow) {
  SourceSpec source;
  source.limits = {.bytes = 20, .columns = 3};
  const auto refused = [&](const std::string& name, const std::string& text) {
    const fs::path file = write(name, text);
    return message<DataError>([&] { read(file, source, {"a"}); });
  };
  EXPECT_EQ(read(write("a.csv", "a,b,c\n1234567890,12345678,12\n"), source, {"a"}), (Table{{"1234567890"}}));
  EXPECT_THAT(refused("a.csv", "a,b,c\n1234567890,12345678,123\n"),
              AllOf(HasSubstr("a.csv:2"), HasSubstr("more than 20 bytes"), HasSubstr("max_row_bytes")));
  EXPECT_THAT(refused("a.csv", "a,b,c\n1,2,3,4\n"), AllOf(HasSubstr("more than 3"), HasSubstr("max_columns")));
  EXPECT_EQ(read(write("a.jsonl", "{\"a\": \"12345678901\"}\n"), source, {"a"}), (Table{{"12345678901"}}));
  EXPECT_THAT(refused("a.jsonl", "{\"a\": \"123456789012\"}\n"),
              AllOf(HasSubstr("a.jsonl:1"), HasSubstr("more than 20 bytes"), HasSubstr("max_row_bytes")));
  EXPECT_THAT(refused("b.json", "[{\"a\": \"123456789012\"}]"), HasSubstr("more than 20 bytes"));
  source.limits.bytes = 100;
  EXPECT_THAT(refused("c.jsonl", R"({"a": 1, "b": 2, "c": 3, "d": 4})"),
              AllOf(HasSubstr("c.jsonl:1"), HasSubstr("more than 3"), HasSubstr("max_columns")));
}

TEST_F(RowsTest, OtherEncodingsAreCalledWhatTheyAre) {
  const auto wide = [](const std::string& text, bool big, bool mark) {
    std::string bytes = mark ? (big ? "\xfe\xff" : "\xff\xfe") : "";
    for (const char c : text) bytes += big ? std::string{'\0', c} : std::string{c, '\0'};
    return bytes;
  };
  for (const bool big : {false, true})
    for (const bool mark : {false, true})
      for (const char* name : {"r.csv", "r.jsonl"})
        EXPECT_THAT(fault(name, wide("text,label\nsome words,yes\n", big, mark)),
                    testing::AllOf(testing::HasSubstr("the file is UTF-16"), testing::HasSubstr("iconv -f UTF-16")));
  EXPECT_THAT(fault("r.csv", "a,b\nna\xefve,c\n"), testing::HasSubstr("iconv -f latin1"));
  EXPECT_THAT(fault("r.csv", std::string("text,la\0bel\nx,y\n", 17)),
              testing::AllOf(testing::HasSubstr("a column name contains a NUL"), testing::HasSubstr("la\\x00bel")));
}

TEST_F(RowsTest, RandomTablesComeBackFromCsv) {
  Random random(1);
  const std::vector<std::string> alphabet = {"a", "b", " ", ",", "\"", "\n", "\r", "\r\n", "é", "😀", "\t", ";", "#"};
  for (int round = 0; round < 300; ++round) {
    const std::size_t columns = 1 + random.below(4);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < columns; ++i) names.push_back("c" + std::to_string(i));
    Table table(random.below(6), std::vector<std::string>(columns));
    const std::string end = random.below(2) == 0 ? "\n" : "\r\n";
    std::string text;
    for (auto& row : table) {
      for (std::size_t i = 0; i < columns; ++i) {
        row[i] = random_text(random, alphabet, 6);
        const bool needs = row[i].find_first_of(",\"\r\n") != std::string::npos || (columns == 1 && row[i].empty());
        std::string field = row[i];
        if (needs || random.below(3) == 0) {
          for (std::size_t at = 0; (at = field.find('"', at)) != std::string::npos; at += 2) field.insert(at, "\"");
          field = "\"" + field + "\"";
        }
        text += (i > 0 ? "," : "") + field;
      }
      text += end;
    }
    if (!text.empty() && random.below(2) == 0) text.resize(text.size() - end.size());  // the last end may be missing
    if (text.empty()) continue;
    ASSERT_EQ(read(write("t.csv", text), with_columns(names)), table) << "round " << round << ": " << text;
  }
}

TEST_F(RowsTest, RandomTablesComeBackFromJsonl) {
  Random random(2);
  const std::vector<std::string> alphabet = {"a", "\"", "\\", "\n", "\r", "é", "😀", "{", "\x01", "\x7f", "/"};
  for (int round = 0; round < 200; ++round) {
    Table table(1 + random.below(5), std::vector<std::string>(2));
    std::string text;
    for (auto& row : table) {
      for (std::string& value : row) value = random_text(random, alphabet, 8);
      text += nlohmann::json{{"x", row[0]}, {"y", {{"z", row[1]}}}}.dump(-1, ' ', random.below(2) == 0) + "\n";
    }
    ASSERT_EQ(read(write("t.jsonl", text), {}, {"x", "y.z"}), table) << text;
  }
}

// Whatever the bytes: rows or a DataError.
TEST_F(RowsTest, RandomBytesAreRowsOrDataErrors) {
  Random random(3);
  const std::vector<std::string> pieces = {"\"",
                                           ",",
                                           "\n",
                                           "\r",
                                           "\t",
                                           "{",
                                           "}",
                                           "[",
                                           "]",
                                           ":",
                                           "\\",
                                           "\\u",
                                           "d800",
                                           "null",
                                           "1e999",
                                           "-",
                                           "a",
                                           "\"a\"",
                                           std::string(1, '\0'),
                                           "\xff",
                                           "\xc3",
                                           "é",
                                           "\xef\xbb\xbf",
                                           "{\"a\":1}\n",
                                           "[[[[[[[["};
  int rows = 0, errors = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = random_text(random, pieces, 30);
    for (std::uint64_t n = random.below(4); n > 0 && !text.empty(); --n)
      text[random.below(text.size())] = static_cast<char>(random.below(256));
    SourceSpec source = random.below(2) == 0 ? SourceSpec{} : with_columns({"a", "b"});
    source.format = static_cast<SourceFormat>(random.below(4)) /* csv to json */;
    const fs::path file = write("noise", text);
    try {
      rows += static_cast<int>(read(file, source, {"a", "a.b.0"}).size());
    } catch (const DataError&) {
      ++errors;
    }
  }
  EXPECT_GT(rows, 50);
  EXPECT_GT(errors, 100);
}

// hostile 10: what is passed over has no limit, but messages have one.
TEST_F(RowsTest, ManyNamesMakeNoLongMessage) {
  std::string members, columns;
  for (int i = 0; i < 20'000; ++i) members += "\"member" + std::to_string(i) + "\": 1, ";
  EXPECT_LT(fault("a.json", "{" + members + "\"x\": \"" + std::string(max_row_bytes + 1, 'x') + "\"}").size(), 4000u);
  for (int i = 0; i < 20'000; ++i) columns += "column" + std::to_string(i) + ",";
  EXPECT_LT(fault("a.csv", columns + "z\n1,2\n").size(), 4000u);
}

TEST_F(RowsTest, DeepNestingIsReadWithoutACrash) {
  const std::string deep = "{\"a\": " + std::string(200000, '[') + std::string(200000, ']') + "}\n";
  EXPECT_THAT(message<DataError>([&] { read(write("deep.jsonl", deep), {}, {"a"}); }), HasSubstr("64 levels"));
}

}  // namespace
}  // namespace peftbench::rows_test
