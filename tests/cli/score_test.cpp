// `peft-bench score`: files of predictions as they lie on disks.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::score_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing_support::run;

std::string lines_of(int count, const std::string& label, const std::string& target) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += R"({"prediction": ")" + label + R"(", "target": ")" + target + "\"}\n";
  return lines;
}

// hostile 2: what could be read is right throughout, and all that follows is wrong.
TEST(Score, AnErrorOfTheDiskIsNotTheEndOfTheFile) {
  const Scratch scratch;
  const fs::path file = scratch.write("answers.jsonl", lines_of(400, "good", "good") + lines_of(800, "bad", "good"));
  const std::vector<std::string> words = {"score", file.string(), "--metrics", "exact_match", "--json"};
  const Printed whole = run(words);
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_EQ(json::parse(whole.out).at(0).at("examples"), 1200);
  for (const char* read : {"1", "2", "3", "5", "9"}) {
    const Printed broken = run(words, {{"LD_PRELOAD", PEFTBENCH_FAILING_READ},
                                       {"FAILING_FILE", fs::canonical(file).string()},
                                       {"FAILING_READ", read}});
    EXPECT_EQ(broken.status, 2) << read << broken.out;
    EXPECT_EQ(broken.out, "");
    EXPECT_THAT(broken.err, AllOf(HasSubstr("answers.jsonl"), HasSubstr("Input/output error")));
  }
}

// hostile 2: the readers of rows.
TEST(Score, AnErrorOfTheDiskEndsTheReadingOfData) {
  for (const std::string ending : {".csv", ".jsonl", ".json"}) {
    const Scratch scratch;
    std::string rows = ending == ".csv" ? "text,label\n" : ending == ".json" ? "[\n" : "";
    for (int i = 0; i < 1500; ++i) {
      const std::string text = "number " + std::to_string(i), label = i % 2 ? "odd" : "even";
      rows += ending == ".csv" ? text + "," + label + "\n"
                               : (ending == ".json" && i > 0 ? ",\n" : "") +
                                     json{{"text", text}, {"label", label}}.dump() + (ending == ".json" ? "" : "\n");
    }
    const fs::path file = scratch.write("rows" + ending, rows + (ending == ".json" ? "]\n" : ""));
    const fs::path task = scratch.write(
        "rows.yaml", "source: rows" + ending + "\ninput: \"{text}\"\ntarget: \"{label}\"\nlabels: [odd, even]\n");
    ASSERT_EQ(run({"tasks", task.string()}).status, 0) << ending;
    // While it is hashed, and while its rows are read.
    for (const char* read : ending == ".csv" ? std::vector{"3", "11", "13"} : std::vector{"3", "18", "20"}) {
      const Printed broken = run({"tasks", task.string(), "--data", (scratch.path() / "data").string()},
                                 {{"LD_PRELOAD", PEFTBENCH_FAILING_READ},
                                  {"FAILING_FILE", fs::canonical(file).string()},
                                  {"FAILING_READ", read}});
      EXPECT_EQ(broken.status, 2) << ending << read << broken.out;
      EXPECT_THAT(broken.err, HasSubstr("rows" + ending));
    }
  }
}

// S19
TEST(Score, ShowsWhatAnAverageHides) {
  const Scratch scratch;
  const fs::path file = scratch.write(
      "answers.jsonl", lines_of(6, "blame", "blame") + lines_of(3, "blame", "praise") + lines_of(1, "cake", "praise"));
  const std::vector<std::string> words = {"score",    file.string(), "--metrics",
                                          "accuracy", "--labels",    "blame,praise,none"};
  const Printed text = run(words);
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("never answers 'praise' (target of 4 of 10 examples)"),
                              HasSubstr("no example of 'none'"), HasSubstr("precision 0.667, recall 1.000, F1 0.800"),
                              HasSubstr("predicted: blame 3, none of them 1")));
  std::vector<std::string> more = words;
  more.push_back("--json");
  const json scored = json::parse(run(more).out).at(0);
  EXPECT_EQ(scored.at("confusion"), json::parse("[[6,0,0,0],[3,0,0,1],[0,0,0,0]]"));
  EXPECT_EQ(scored.at("labels").at(1).at("recall"), 0.0);
  EXPECT_EQ(scored.at("warnings").size(), 2u);
}

// hostile 10: memory follows the file's size, and a line has an end.
TEST(Score, LinesAreBounded) {
  const Scratch scratch;
  const fs::path file = scratch.path() / "long.jsonl";
  {
    std::ofstream out(file, std::ios::binary);
    const std::string block(1 << 20, 'a');
    out << R"({"prediction": ")";
    for (int i = 0; i < 66; ++i) out << block;
    out << R"(", "target": "a"})";
  }
  const Printed printed = run({"score", file.string(), "--metrics", "exact_match"});
  EXPECT_EQ(printed.status, 2) << printed.out;
  EXPECT_THAT(printed.err, HasSubstr("long.jsonl"));
}

// hostile 3: the record has the hash of what the run wrote.
TEST(Score, PredictionsOfARunThatWereChangedAreRefused) {
  const Scratch scratch;
  const fs::path out = scratch.path() / "runs";
  const fs::path task = write_task(scratch);
  ASSERT_EQ(run(short_run(task, out)).status, 0);
  const fs::path file = only_run(out) / "predictions.jsonl";
  const std::vector<std::string> words = {"score", file.string(), "--task", task.string()};
  const Printed whole = run(words);
  EXPECT_EQ(whole.status, 0) << whole.err;
  std::string text = file_text(file);
  text.replace(text.find("\"correct\":"), 10, "\"correcT\":");
  std::ofstream(file, std::ios::binary) << text;
  const Printed changed = run(words);
  EXPECT_EQ(changed.status, 2) << changed.out;
  EXPECT_THAT(changed.err, AllOf(HasSubstr("predictions.jsonl was changed after the run"), HasSubstr("record.json")));
  fs::copy_file(file, scratch.path() / "copy.jsonl");
  EXPECT_EQ(run({"score", (scratch.path() / "copy.jsonl").string(), "--task", task.string()}).status, 0);
}

}  // namespace
}  // namespace peftbench::score_test
