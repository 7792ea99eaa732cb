// `peft-bench tasks` and tasks of the user's own, as somebody new to the program meets them.
#include "cli/own_task.h"
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <sstream>

namespace peftbench::tasks_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing_support::run;

// Metrics of whole groups are of whole groups, also where only some examples are scored.
TEST(OwnTask, ALimitOnExamplesCutsNoGroup) {
  const Scratch scratch;
  std::string rows = "question,text,right\n";
  for (int i = 0; i < 90; ++i)
    rows += std::to_string(i / 3) + ",answer " + std::to_string(i) + "," + (i % 2 ? "yes" : "no") + "\n";
  scratch.write("answers.csv", rows);
  const fs::path file = scratch.write("answers.yaml",
                                      "source: answers.csv\ngroup: question\ninput: \"{question}: {text}\"\n"
                                      "target: \"{right}\"\nlabels: [no, yes]\nmetrics: [em, f1a]\n"
                                      "split: {validation: 15, test: 30}\nlimits: {input: 32, target: 4}\n");
  const Printed printed = run(short_run(file, scratch.path() / "runs", {"--set", "eval.examples=10"}));
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out, ContainsRegex("em +[01]\\.[0-9]+ .* on 3 test examples"));
  std::map<std::string, int> groups;
  std::istringstream lines(file_text(only_run(scratch.path() / "runs") / "predictions.jsonl"));
  for (std::string line; std::getline(lines, line);) ++groups[json::parse(line).at("group")];
  ASSERT_EQ(groups.size(), 3u);
  for (const auto& [group, size] : groups) EXPECT_EQ(size, 3) << group;
}

TEST(OwnTask, FromAFewLinesOverACsvIsListedAndTrained) {
  const Scratch scratch;
  scratch.write("reviews.csv", reviews());
  const fs::path file = scratch.write("reviews.yaml", task_yaml());
  const Printed printed = run({"tasks", file.string(), "--examples", "2"});
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out, AllOf(ContainsRegex("examples +48 train, 6 validation, 6 test"),
                                 ContainsRegex("labels +bad, good"), ContainsRegex("hash +[0-9a-f]{64}"),
                                 HasSubstr("found reviews.csv"), ContainsRegex("train 2, [^\n]*reviews.csv:[0-9]+"),
                                 ContainsRegex("input +review: the film, number [0-9]+, was (dull|fine)\n"),
                                 ContainsRegex("target +(bad|good)\n")));
  const json described = json::parse(run({"tasks", file.string(), "--examples", "2", "--json"}).out);
  EXPECT_EQ(described.at("data"), "ready");
  EXPECT_EQ(described.at("train_examples").size(), 2u);
  EXPECT_EQ(described.at("files").at("train").at(0), (scratch.path() / "reviews.csv").string());
  const std::string input = described.at("train_examples").at(0).at("input");
  EXPECT_EQ(described.at("train_examples").at(0).at("label"), input.ends_with("fine") ? 1 : 0);
  const Printed trained = run(short_run(file, scratch.path() / "runs"));
  EXPECT_EQ(trained.status, 0) << trained.err;
  EXPECT_THAT(trained.out, HasSubstr("accuracy"));
}

struct Fault {
  std::string name;
  std::string yaml, file, data;  // the task, and the file that lies beside it
  std::string place;             // how the first line of the message goes on
  std::string found, expected, remedy;
};

std::string gzip_of(const std::string& text) {  // of stored blocks: no library is needed to make a file that is cut
  return std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01", 11) + static_cast<char>(text.size() % 256) +
         static_cast<char>(text.size() / 256) + static_cast<char>(~(text.size() % 256)) +
         static_cast<char>(~(text.size() / 256)) + text;
}

const std::vector<Fault>& faults() {
  const std::string csv = reviews(), yaml = task_yaml(), plain = "input: \"{text}\"\ntarget: \"{stars}\"\n";
  static const std::vector<Fault> all = {
      {"MisspeltKey", replaced(yaml, "labels", "lables"), "reviews.csv", csv, "t.yaml:6: unknown key 'lables'",
       "lables", "one of name", "did you mean 'labels'?"},
      {"Tab", replaced(yaml, "  side", "\tside"), "reviews.csv", csv, "t.yaml:3: not YAML", "a tab", "spaces",
       "two spaces"},
      {"OpenBracket", replaced(yaml, "[bad, good]}", "[bad, good"), "reviews.csv", csv, "t.yaml:", "", "", "quote"},
      {"SecondKey", yaml + "target: x\n", "reviews.csv", csv, "t.yaml:7: duplicate key 'target'", "", "",
       "keep one of the two"},
      {"WrongType", yaml + "limits: {input: many}\n", "reviews.csv", csv,
       "t.yaml:7: 'limits.input' must be a whole number", "many", "a whole number", "correct this line"},
      {"BadLimit", yaml + "limits: {target: 1}\n", "reviews.csv", csv, "t.yaml:7: invalid token limit", "1",
       "2 or more", "correct this line"},
      {"OneLabel", replaced(yaml, "labels: [bad, good]", "labels: [bad]"), "reviews.csv", csv,
       "t.yaml:6: a task with labels needs at least two words", "1", "[negative, positive]", "remove 'labels'"},
      {"OpenBrace", replaced(yaml, "{text}", "{text"), "reviews.csv", csv, "t.yaml:4: unmatched '{'", "{text",
       "{field name}", "write {{"},
      {"UnknownMetric", yaml + "metrics: [acuracy]\n", "reviews.csv", csv, "t.yaml:7: unknown metric", "acuracy",
       "metric", "did you mean 'accuracy'?"},
      {"UnknownPreprocessor", yaml + "preprocess: superglue\n", "reviews.csv", csv, "t.yaml:7: unknown preprocessor",
       "superglue", "one of", "available: mrqa, multirc"},
      {"NoSource", replaced(yaml, "source: reviews.csv\n", ""), "reviews.csv", csv, "t.yaml:1: 'source' is missing", "",
       "source: …", "correct this line"},
      {"NoFile", yaml, "other.csv", csv, "t.yaml:1: the data of task 't' is missing", "reviews.csv",
       "the files listed in 'source'", "put the files there"},
      {"UnknownEnding", task_yaml("reviews.txt"), "reviews.txt", csv, "t.yaml:1: the format of reviews.txt is unknown",
       "extension .txt", ".csv, .tsv", "format: csv"},
      {"UnknownField", replaced(yaml, "{text}", "{txt}"), "reviews.csv", csv,
       "reviews.csv:2: the field 'txt' is missing", "text, stars", "t.yaml:4", "did you mean 'text'?"},
      {"MissingColumn", yaml, "reviews.csv", replaced(csv, "text,stars", "text,rating"),
       "reviews.csv:2: the field 'stars' is missing", "text, rating", "t.yaml:3", ""},
      {"UnknownLabel", replaced(yaml, "labels: [bad, good]", "labels: [bad, fine]"), "reviews.csv", csv,
       "reviews.csv:2: unknown label", "'good'", "one of bad, fine", "add it to 'labels'"},
      {"NotANumber", yaml, "reviews.csv", replaced(csv, ",5\n", ",five\n"),
       "reviews.csv:2: the field 'stars' is not a number", "five", "a number, as", "fix the row"},
      {"Empty", yaml, "reviews.csv", "", "reviews.csv: the file is empty", "0 bytes", "a file of rows",
       "download the file again"},
      {"HeaderAlone", yaml, "reviews.csv", "text,stars\n", "reviews.csv:1: the file contains no rows", "no line after",
       "a row for", "fix the row"},
      {"NotUtf8", yaml, "reviews.csv", replaced(csv, "number 1,", "caf\xe9,"), "reviews.csv:3: not UTF-8", "byte",
       "UTF-8 text", "iconv"},
      {"Ragged", yaml, "reviews.csv", replaced(csv, "number 2, was fine\",5", "number 2\",5,7"),
       "reviews.csv:4: the wrong number of columns", "3", "2 (text, stars)", "quote fields"},
      {"OpenQuote", yaml, "reviews.csv", replaced(csv, "number 3, was dull\"", "number 3, was dull"),
       "reviews.csv:5: ", "", "", "quote"},
      {"TwoColumnsOfAName", yaml, "reviews.csv", replaced(csv, "text,stars", "text,text"),
       "reviews.csv:1: duplicate column name", "text", "unique names", "column names"},
      {"CutGz", task_yaml("reviews.csv.gz"), "reviews.csv.gz", gzip_of(csv),
       "reviews.csv.gz:62: the gzip data ends early", "the end of the file", "a complete gzip file",
       "download the file again"},
      {"NoGz", task_yaml("reviews.csv.gz"), "reviews.csv.gz", csv, "reviews.csv.gz:1: the file's name ends in .gz",
       "other bytes", "gzip", "remove .gz"},
      {"JsonNoList", "source: r.json\n" + plain, "r.json",
       "{\"version\": 1, \"rows\": [{\"text\": \"x\", \"stars\": 1}]}\n", "r.json:1: the file is one JSON object",
       "version, rows", "a list of objects", "records: rows"},
      {"WrongRecords", "source: {file: r.json, records: row}\n" + plain, "r.json", "{\"rows\": []}\n",
       "r.json:1: there is no 'row'", "rows", "records: row", "did you mean 'rows'?"},
      {"BrokenJson", "source: r.json\n" + plain, "r.json", "[\n {\"text\": \"x\", \"stars\": 1},\n {\"text\": }\n]\n",
       "r.json:3, item 2: not JSON", "column", "a list of objects", "fix the file"},
      {"CutJson", "source: r.json\n" + plain, "r.json", "[\n {\"text\": \"x\", \"stars\": 1},\n {\"text\": \"y",
       "r.json:3, item 2: the JSON ends early", "the end of the file", "closed", "download the file again"},
      {"NoObject", "source: r.jsonl\n" + plain, "r.jsonl", "{\"text\": \"x\", \"stars\": 1}\n[1, 2]\n",
       "r.jsonl:2: the line is not a JSON object", "a JSON array", "{\"text\"", "format: json"},
      {"BrokenLine", "source: r.jsonl\n" + plain, "r.jsonl", "{\"text\": \"x\", \"stars\": 1}\n{\"text\": \"x\"\n",
       "r.jsonl:2: not JSON", "column", "one JSON object per line", "fix this line"},
      {"ListAsText", "source: r.jsonl\n" + plain, "r.jsonl", "{\"text\": [\"x\"], \"stars\": 1}\n",
       "r.jsonl:1: the field 'text' is not a string", "a JSON array", "a string", "'text.0'"},
      {"FilterLeavesNothing", yaml + "filter: {stars: {min: 9}}\n", "reviews.csv", csv, "t.yaml:1: no rows are left",
       "reviews.csv", "rows that pass 'filter'", "compare the values"},
      {"NullField", "source: r.jsonl\n" + plain, "r.jsonl", "{\"text\": null, \"stars\": 1}\n",
       "r.jsonl:1: the field 'text' has no value", "null", "required by", "default"},
      {"RenamedFromNothing", replaced(yaml, "source: reviews.csv", "source: {file: reviews.csv, rename: {text: txt}}"),
       "reviews.csv", replaced(csv, "text,stars", "note,stars"), "reviews.csv:2: the field 'text' has no value",
       "'rename'", "required by", "default"},
      {"MadeFromAMadeOne", replaced(yaml, "fields:\n", "fields:\n  text: side\n"), "reviews.csv",
       replaced(csv, "text,stars", "note,stars"), "reviews.csv:2: the field 'side' is a computed field",
       "no 'side' in the file", "a field of the file", "'from'"},
      {"AllRowsAlike", yaml, "reviews.csv", "text,stars\nx,1\nx,5\nx,1\nx,5\n", "t.yaml:1: the rows cannot be split",
       "4 rows in 1 group", "two groups", "'input'"},
      {"NoFieldInInput", replaced(yaml, "review: {text}", "review: text"), "reviews.csv", csv,
       "t.yaml:4: 'input' contains no field", "plain text", "a field in braces", "{text}"},
      {"NoSuchReferences", replaced(yaml, "labels: [bad, good]", "references: answers\nmetrics: [exact_match]"),
       "reviews.csv", csv, "reviews.csv:2: the row has no correct answer", "text, stars", "a list 'answers'",
       "'filter'"},
      {"ColumnsOfOneName", replaced(yaml, "source: reviews.csv", "source: {file: reviews.csv, columns: [text, text]}"),
       "reviews.csv", csv, "t.yaml:1: duplicate column name", "text", "unique column names", "correct this line"},
      {"TooFewRows", yaml, "reviews.csv", "text,stars\na,1\nb,5\n", "t.yaml:1: the ", "2 rows", "rows for train",
       "add more data"},
  };
  return all;
}

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

class OwnTaskFault : public testing::TestWithParam<Fault> {};

TEST_P(OwnTaskFault, NamesPlaceFindingExpectationAndRemedy) {
  const Fault& fault = GetParam();
  const Scratch scratch;
  scratch.write(fault.file, fault.data);
  const Printed printed =
      run({"tasks", scratch.write("t.yaml", fault.yaml).string(), "--data", (scratch.path() / "data").string()});
  EXPECT_EQ(printed.status, 2) << printed.err;
  const std::string first = printed.err.substr(0, printed.err.find('\n'));
  EXPECT_THAT(first,
              AllOf(testing::StartsWith("peft-bench: " + scratch.path().string()), HasSubstr("/" + fault.place)));
  const auto part = [&](const std::string& label) {
    const std::size_t at = printed.err.find("\n  " + label);
    if (at == std::string::npos) return std::string();
    std::size_t end = printed.err.find("\n  ", at + 1);
    while (end != std::string::npos && printed.err[end + 3] == ' ') end = printed.err.find("\n  ", end + 1);
    return printed.err.substr(at, end == std::string::npos ? end : end - at);
  };
  EXPECT_THAT(part("found:    "), HasSubstr(fault.found));
  EXPECT_THAT(part("expected: "), HasSubstr(fault.expected));
  EXPECT_THAT(part("fix:      "), AllOf(HasSubstr(fault.remedy), Not("")));
  EXPECT_THAT(printed.err, Not(HasSubstr("exception")));
}
INSTANTIATE_TEST_SUITE_P(Each, OwnTaskFault, testing::ValuesIn(faults()),
                         [](const testing::TestParamInfo<Fault>& tested) { return tested.param.name; });

// With and without Apache Arrow the message says what to do.
TEST(OwnTask, ABrokenParquetFileIsNamed) {
  const Scratch scratch;
  scratch.write("r.parquet", "PAR1 and nothing more");
  const Printed printed = run({"tasks", scratch.write("t.yaml", task_yaml("r.parquet")).string()});
  EXPECT_EQ(printed.status, 2);
  EXPECT_THAT(printed.err, AllOf(ContainsRegex("r.parquet:1: the parquet file cannot be read|r.parquet: this build of "
                                               "peft-bench cannot read parquet"),
                                 HasSubstr("found:"), HasSubstr("expected:"), HasSubstr("fix:")));
}

// A home of its own: three tasks, and a program that fetches.
class FetchTest : public testing::Test {
 protected:
  void SetUp() override {
    task("here", "source: here.csv\n");
    task("wanted", "source: rows.csv\nfetch: group/recipe\n");
    task("yours", "source: {file: Official/rows.csv, get: download Official.zip and unpack it}\n");
    scratch_.write("home/configs/tasks/here.csv", reviews());
    fetcher(
        "echo \"asked for $*\"; echo working >&2\n"
        "mkdir -p \"$PEFTBENCH_DATA/$1\" && printf 'text,stars\\nx,1\\n' > \"$PEFTBENCH_DATA/$1/rows.csv\"\n"
        "touch \"$PEFTBENCH_DATA/$1/.ready\"\n");
  }
  void task(const std::string& name, const std::string& source) const {
    scratch_.write("home/configs/tasks/" + name + ".yaml",
                   "summary: s\n" + source + "input: '{text}'\ntarget: '{stars}'\nsplit: {validation: 1, test: 1}\n");
  }
  void fetcher(const std::string& script) const {
    const fs::path file = scratch_.write("home/tools/fetch-data", "#!/bin/sh\n" + script);
    fs::permissions(file, fs::perms::owner_all);
  }
  Printed tasks(std::vector<std::string> words) const {
    words.insert(words.begin(), "tasks");
    words.insert(words.end(), {"--data", (scratch_.path() / "data").string()});
    return run(words, {{"PEFTBENCH_HOME", (scratch_.path() / "home").string()}, {"HF_HOME", scratch_.path().string()}});
  }
  Scratch scratch_;
};

// A run gets the data that it lacks, once; nothing is fetched for --dry-run.
TEST_F(FetchTest, ARunFetchesTheDataThatItNeeds) {
  const std::string calls = (scratch_.path() / "calls").string();
  fetcher("echo \"$*\" >> " + calls +
          "\nmkdir -p \"$PEFTBENCH_DATA/$1\"\n"
          "(echo text,stars; for i in 1 2 3 4 5 6; do echo \"a text $i,$((i % 2))\"; done) > "
          "\"$PEFTBENCH_DATA/$1/rows.csv\"\ntouch \"$PEFTBENCH_DATA/$1/.ready\"\n");
  const auto train = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {
        "--method",   "prompt_tuning",
        "--task",     "wanted",
        "--steps",    "1",
        "--set",      "train.evaluate_every=0",
        "--backbone", std::string(PEFTBENCH_TEST_SOURCE_DIR) + "/assets/backbones/t5-nano-mix",
        "--data",     (scratch_.path() / "data").string(),
        "--out",      (scratch_.path() / "runs").string()};
    words.insert(words.end(), more.begin(), more.end());
    return run(words, {{"PEFTBENCH_HOME", (scratch_.path() / "home").string()}, {"HF_HOME", scratch_.path().string()}});
  };
  EXPECT_EQ(train({"--dry-run"}).status, 0);
  EXPECT_FALSE(fs::exists(calls));
  const Printed trained = train({});
  EXPECT_EQ(trained.status, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("the data of wanted is missing: downloading it"));
  EXPECT_EQ(train({"--again"}).status, 0);
  EXPECT_EQ(file_text(calls), "group/recipe\n");

  fs::remove_all(scratch_.path() / "data");
  fetcher("echo no network >&2\nexit 1\n");
  const Printed failed = train({"--again"});
  EXPECT_EQ(failed.status, 2);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("no network"), HasSubstr("the data of task 'wanted' is missing"),
                                HasSubstr("--fetch group/recipe")));
  fetcher("kill -TERM $$\n");
  EXPECT_EQ(train({"--again"}).status, 130);
}

TEST_F(FetchTest, TheListTellsWhichDataIsHere) {
  const Printed list = tasks({});
  EXPECT_THAT(list.out, AllOf(ContainsRegex("here +free text +exact_match +ready +s"),
                              ContainsRegex("wanted .* fetch +s"), ContainsRegex("yours .* bring your own +s")));
  const json rows = json::parse(tasks({"--json"}).out);
  EXPECT_EQ(rows.at(0).at("data"), "ready");
  EXPECT_EQ(rows.at(1).at("data"), "fetch");
  EXPECT_EQ(rows.at(2).at("data"), "bring your own");
  EXPECT_FALSE(json::parse(tasks({"--preprocessors", "--json"}).out).empty());
}

TEST_F(FetchTest, ATaskSaysWhereItLookedAndHowToGetIt) {
  const Printed yours = tasks({"yours"});
  EXPECT_EQ(yours.status, 2);
  EXPECT_THAT(yours.out, AllOf(ContainsRegex("data +bring your own"),
                               ContainsRegex("searched +no [^\n]*/configs/tasks/Official/rows.csv"),
                               HasSubstr("no " + (scratch_.path() / "data/Official/rows.csv").string()),
                               ContainsRegex("how to get it +download Official.zip")));
  EXPECT_THAT(yours.err, AllOf(HasSubstr("yours.yaml:2: the data of task 'yours' is missing"),
                               HasSubstr("download Official.zip")));
  const Printed as_json = tasks({"yours", "--json"});
  EXPECT_EQ(json::parse(as_json.out).at("to_get_it"), "download Official.zip and unpack it");
  EXPECT_EQ(json::parse(as_json.out).at("places").at(0).at("taken"), false);
  EXPECT_THAT(tasks({"wanted"}).out, HasSubstr("peft-bench tasks --fetch group/recipe"));
}

TEST_F(FetchTest, GetsDataByTaskOrRecipeAndPassesTheStatusOn) {
  const Printed got = tasks({"--fetch", "wanted", "here"});
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out, "asked for group/recipe\n");
  EXPECT_EQ(got.err, "working\n");
  EXPECT_THAT(tasks({}).out, ContainsRegex("wanted .* ready +s"));
  EXPECT_EQ(tasks({"--fetch", "some/text", "other"}).out, "asked for some/text other\n");
  const Printed refused = tasks({"--fetch", "yours"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("the data of 'yours' cannot be downloaded"), HasSubstr("download Official.zip")));
  fetcher("echo gone >&2\nexit 7\n");
  EXPECT_EQ(tasks({"--fetch", "wanted"}).status, 7);
  fetcher("kill -TERM $$\n");
  EXPECT_EQ(tasks({"--fetch", "wanted"}).status, 128 + SIGTERM);
  fetcher("echo \"$*\"\n");
  EXPECT_EQ(tasks({"--recipes"}).out, "--list\n");
  fs::remove(scratch_.path() / "home/tools/fetch-data");
  EXPECT_THAT(tasks({"--fetch", "wanted"}).err, HasSubstr("the program that downloads data is missing"));
}

}  // namespace
}  // namespace peftbench::tasks_test
