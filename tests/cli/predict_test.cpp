// predict as a user sees it: it answers rows without targets as eval answers those of the test split.
#include "support/json_lines.h"
#include "support/layers.h"
#include "support/program.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace peftbench::predict_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::run;

// Runs that all tests share: one ranks, one generates, one has a head that scores classes.
class Predict : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = new Scratch;
    task_ = write_task(*scratch_);
    ASSERT_EQ(run(short_run(task_, path("ranked"), {"--set", "eval.mode=rank"}, "1")).status, 0);
    ASSERT_EQ(run(short_run(task_, path("generated"), {"--set", "eval.mode=greedy"}, "2")).status, 0);
    const Printed head = run({"--method", "head_tuning", "--task", task_.string(), "--backbone", "t5-nano-lm", "--out",
                              path("head"), "--steps", "30", "--threads", "1", "--set", "train=head", "--set",
                              "train.learning_rate=0.05", "--set", "train.batch_size=8"});
    ASSERT_EQ(head.status, 0) << head.err;
    // The rows of the test split in its order, without their targets.
    const std::vector<json> rows = json_lines(file_text(path("parity.jsonl")));
    for (const json& line : json_lines(file_text(only("ranked") / "predictions.jsonl"))) {
      const std::string origin = line.at("origin");
      texts_.push_back(rows.at(std::stoul(origin.substr(origin.rfind(':') + 1)) - 1).at("text"));
    }
    std::string jsonl, csv = "text\n", lines;
    for (const std::string& text : texts_) {
      jsonl += json{{"text", text}}.dump() + "\n";
      csv += "\"" + text + "\"\r\n";
      lines += text + "\n";
    }
    scratch_->write("rows.jsonl", jsonl);
    scratch_->write("rows.csv", csv);
    scratch_->write("rows.txt", lines);
  }
  static void TearDownTestSuite() { delete scratch_; }
  static std::string path(const std::string& name) { return (scratch_->path() / name).string(); }
  static fs::path only(const std::string& out) { return only_run(scratch_->path() / out); }
  static std::vector<json> predicted(const std::vector<std::string>& words, const fs::path& in = {}) {
    std::vector<std::string> all = {"predict"};
    all.insert(all.end(), words.begin(), words.end());
    const Printed printed = run(all, {}, in);
    EXPECT_EQ(printed.status, 0) << printed.err;
    return json_lines(printed.out);
  }
  static Printed refused(const std::vector<std::string>& words, const fs::path& in = {}) {
    std::vector<std::string> all = {"predict"};
    all.insert(all.end(), words.begin(), words.end());
    const Printed printed = run(all, {}, in);
    EXPECT_EQ(printed.status, 2) << printed.out << printed.err;
    return printed;
  }

  static Scratch* scratch_;
  static fs::path task_;
  static std::vector<std::string> texts_;
};
Scratch* Predict::scratch_ = nullptr;
fs::path Predict::task_;
std::vector<std::string> Predict::texts_;

TEST_F(Predict, AnswersAsEvalDoes) {
  const std::vector<std::string> labels = {"even", "odd"};
  for (const std::string out : {"ranked", "generated", "head"}) {
    const std::string folder = only(out).string();
    const Printed scored = run({"eval", folder, "--predictions", path("eval.jsonl")});
    ASSERT_EQ(scored.status, 0) << scored.err;
    const std::vector<json> expected = json_lines(file_text(path("eval.jsonl")));
    const std::vector<json> lines = predicted({folder, path("rows.jsonl")});
    ASSERT_EQ(lines.size(), expected.size()) << out;
    ASSERT_EQ(lines.size(), 24u);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      EXPECT_EQ(lines[i].at("index"), i);
      EXPECT_EQ(lines[i].at("prediction"), expected[i].at("prediction")) << out << " " << i;
      const int label = expected[i].at("label");
      EXPECT_EQ(lines[i].at("label"), label < 0 ? json() : json(labels.at(static_cast<std::size_t>(label))));
      EXPECT_EQ(lines[i].contains("scores"), out != "generated");
      EXPECT_FALSE(lines[i].contains("input"));
    }
    const std::vector<json> by_five = predicted({folder, path("rows.jsonl"), "--batch-size", "5"});
    ASSERT_EQ(by_five.size(), lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(by_five[i].at("prediction"), lines[i].at("prediction"));
  }
}

TEST_F(Predict, ScoresAreOfTheLabelWords) {
  for (const std::string out : {"ranked", "head"}) {
    for (const json& line : predicted({only(out).string(), path("rows.jsonl"), "--examples", "5"})) {
      const json& scores = line.at("scores");
      ASSERT_EQ(scores.size(), 2u);
      const double even = scores.at("even"), odd = scores.at("odd");
      EXPECT_LE(std::max(even, odd), 0);
      EXPECT_EQ(line.at("prediction"), even >= odd ? "even" : "odd") << line;
    }
  }
  // A run that generates is asked for them; its answers stay.
  const std::string folder = only("generated").string();
  const std::vector<json> plain = predicted({folder, path("rows.jsonl")});
  const std::vector<json> scored = predicted({folder, path("rows.jsonl"), "--scores"});
  ASSERT_EQ(scored.size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(scored[i].at("prediction"), plain[i].at("prediction"));
    EXPECT_EQ(scored[i].at("scores").size(), 2u);
  }
}

TEST_F(Predict, EveryFormatAndStandardInputGiveTheSame) {
  const std::string folder = only("ranked").string();
  const Printed jsonl = run({"predict", folder, path("rows.jsonl")});
  ASSERT_EQ(jsonl.status, 0) << jsonl.err;
  EXPECT_EQ(run({"predict", folder, path("rows.csv")}).out, jsonl.out);
  EXPECT_EQ(run({"predict", folder, path("rows.txt")}).out, jsonl.out);
  for (const std::string format : {"jsonl", "csv", "lines"}) {
    const Printed piped =
        run({"predict", folder, "-", "--format", format}, {}, path("rows." + (format == "lines" ? "txt" : format)));
    EXPECT_EQ(piped.status, 0) << piped.err;
    EXPECT_EQ(piped.out, jsonl.out) << format;
  }
  const Printed file = run({"predict", folder, path("rows.jsonl"), "--predictions", path("answers.jsonl")});
  EXPECT_EQ(file.status, 0) << file.err;
  EXPECT_EQ(file.out, "");
  EXPECT_EQ(file_text(path("answers.jsonl")), jsonl.out);
  EXPECT_EQ(predicted({folder, path("rows.jsonl"), "--examples", "7"}).size(), 7u);
}

TEST_F(Predict, AnEmptyLineOfTextIsARow) {
  scratch_->write("gaps.txt", "one two three\n\nfour five six\r\n");
  const std::vector<json> lines = predicted({only("ranked").string(), path("gaps.txt"), "--show-input"});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1].at("input"), "number:");
  EXPECT_EQ(lines[2].at("input"), "number: four five six");
}

TEST_F(Predict, AnswersBeforeTheStreamEnds) {
  const fs::path pipe = path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  Program program({"predict", only("ranked").string(), "-", "--format", "jsonl", "--batch-size", "1"}, {}, pipe);
  const int to = ::open(pipe.c_str(), O_WRONLY);
  ASSERT_GE(to, 0);
  const std::string row = json{{"text", texts_.front()}}.dump() + "\n";
  ASSERT_EQ(::write(to, row.data(), row.size()), static_cast<ssize_t>(row.size()));
  for (int tries = 0; tries < 600 && program.out().find('\n') == std::string::npos && program.running(); ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(json_lines(program.out()).size(), 1u) << program.err();
  ASSERT_TRUE(program.running()) << program.err();
  ASSERT_EQ(::write(to, row.data(), row.size()), static_cast<ssize_t>(row.size()));
  ::close(to);
  EXPECT_EQ(program.wait(), 0) << program.err();
  const std::vector<json> lines = json_lines(program.out());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at("scores"), lines[1].at("scores"));
}

TEST_F(Predict, TellsWhatTheLimitsTakeAndWhatTheModelSaw) {
  std::string words;
  for (int i = 0; i < 60; ++i) words += "seven ";
  scratch_->write("long.jsonl", json{{"text", words}}.dump() + "\n" + json{{"text", "one two"}}.dump() + "\n");
  const Printed printed = run({"predict", only("ranked").string(), path("long.jsonl"), "--show-input"});
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.err, HasSubstr("1 of 2 given inputs are truncated at the limit of 32 tokens"));
  const std::vector<json> lines = json_lines(printed.out);
  ASSERT_EQ(lines.size(), 2u);
  const std::string seen = lines[0].at("input");
  EXPECT_THAT(seen, HasSubstr("number: seven seven"));
  EXPECT_LT(seen.size(), words.size());
  EXPECT_EQ(lines[1].at("input"), "number: one two");
}

TEST_F(Predict, ARowThatLacksAFieldIsNamed) {
  scratch_->write("bad.jsonl", "{\"text\": \"one\"}\n\n{\"txt\": \"two\"}\n");
  const std::string folder = only("ranked").string();
  EXPECT_THAT(refused({folder, path("bad.jsonl")}).err,
              AllOf(HasSubstr("bad.jsonl:3: the field 'text' is missing"), HasSubstr("txt"), HasSubstr("parity.yaml")));
  EXPECT_THAT(refused({folder, "-", "--format", "jsonl"}, path("bad.jsonl")).err,
              HasSubstr("standard input:3: the field 'text' is missing"));
  refused({folder, path("bad.jsonl"), "--predictions", path("none.jsonl")});
  EXPECT_FALSE(fs::exists(path("none.jsonl")));
  // What was answered before stays.
  EXPECT_EQ(json_lines(refused({folder, path("bad.jsonl"), "--batch-size", "1"}).out).size(), 1u);
}

TEST_F(Predict, AnEmptyInputIsAMistake) {
  const std::string folder = only("ranked").string();
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"empty.jsonl", ""}, {"empty.csv", "text\n"}, {"empty.txt", ""}, {"blank.jsonl", "\n\n"}}) {
    scratch_->write(name, text);
    const Printed printed = refused({folder, path(name)});
    EXPECT_EQ(printed.out, "");
    EXPECT_THAT(printed.err, AllOf(HasSubstr(name), HasSubstr("expected:"))) << name;
  }
  for (const std::string format : {"jsonl", "csv", "tsv", "lines"})
    EXPECT_THAT(refused({folder, "-", "--format", format}, path("empty.txt")).err, HasSubstr("standard input"))
        << format;
}

TEST_F(Predict, MistakesSayWhatThereIs) {
  const std::string folder = only("ranked").string();
  EXPECT_THAT(refused({folder}).err, HasSubstr("needs a run and an input"));
  EXPECT_THAT(refused({folder, "-"}, path("rows.jsonl")).err,
              AllOf(HasSubstr("format of standard input"), HasSubstr("add --format")));
  EXPECT_THAT(refused({folder, path("rows.jsonl"), "--format", "jsnl"}).err,
              AllOf(HasSubstr("unknown format"), HasSubstr("jsonl")));
  EXPECT_THAT(refused({folder, task_.string()}).err, AllOf(HasSubstr("format of"), HasSubstr(".yaml")));
  EXPECT_THAT(refused({folder, path("absent.jsonl")}).err, HasSubstr("absent.jsonl"));
  EXPECT_THAT(refused({folder, folder, path("rows.jsonl")}).err, HasSubstr("duplicate run"));
}

TEST_F(Predict, SeveralRunsAnswerAndVote) {
  const std::vector<std::string> names = {"ranked", "generated", "head"};
  std::vector<std::string> words;
  std::vector<std::vector<json>> alone;
  for (const std::string& name : names) {
    words.push_back(only(name).string());
    alone.push_back(predicted({words.back(), path("rows.jsonl")}));
  }
  words.push_back(path("rows.jsonl"));
  const std::vector<json> lines = predicted(words);
  ASSERT_EQ(lines.size(), texts_.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].at("index"), i);
    const json& answers = lines[i].at("answers");
    ASSERT_EQ(answers.size(), 3u);
    std::map<std::string, int> votes;
    for (std::size_t r = 0; r < names.size(); ++r) {
      EXPECT_EQ(answers[r].at("run"), only(names[r]).filename().string());
      json own = answers[r];
      own.erase("run");
      json expected = alone[r][i];
      expected.erase("index");
      EXPECT_EQ(own, expected) << names[r] << " " << i;
      if (!own.at("label").is_null()) ++votes[own.at("label").get<std::string>()];
    }
    ASSERT_FALSE(votes.empty()) << "a ranked answer is always a label";
    const std::string winner = lines[i].at("vote").at("label");
    for (const auto& [label, count] : votes) EXPECT_GE(votes[winner], count) << label;
    EXPECT_EQ(lines[i].at("vote").at("prediction"), lines[i].at("vote").at("label"));
  }
}

TEST_F(Predict, RunsWithOtherLabelsAnswerWithoutAVote) {
  std::string rows = file_text(path("parity.jsonl"));
  const std::vector<std::pair<std::string, std::string>> kinds = {{"\"odd\"", "\"strange\""},
                                                                  {"\"even\"", "\"plain\""}};
  for (const auto& [word, kind] : kinds)
    for (std::size_t at = rows.find(word); at != std::string::npos; at = rows.find(word, at))
      rows.replace(at, word.size(), kind);
  scratch_->write("kinds.jsonl", rows);
  const fs::path task =
      scratch_->write("kinds.yaml",
                      "source: kinds.jsonl\ninput: \"which: {text}\"\ntarget: \"{parity}\"\nlabels: [plain, strange]\n"
                      "split: {seed: 0, validation: 16, test: 24}\nlimits: {input: 32, target: 6}\n");
  ASSERT_EQ(run(short_run(task, path("kinds"), {"--set", "eval.mode=rank"})).status, 0);
  const std::vector<json> lines =
      predicted({only("ranked").string(), only("kinds").string(), path("rows.txt"), "--examples", "3", "--show-input"});
  ASSERT_EQ(lines.size(), 3u);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_FALSE(lines[i].contains("vote"));
    EXPECT_EQ(lines[i].at("answers").at(0).at("input"), "number: " + texts_[i]);
    EXPECT_EQ(lines[i].at("answers").at(1).at("input"), "which: " + texts_[i]);
    EXPECT_TRUE(lines[i].at("answers").at(1).at("scores").contains("strange"));
  }
}

TEST_F(Predict, NeedsTheTaskButNotItsData) {
  const Scratch own;
  const fs::path task = write_task(own);
  const fs::path out = own.path() / "runs";
  ASSERT_EQ(run(short_run(task, out)).status, 0);
  const std::string folder = only_run(out).string();
  const Printed before = run({"predict", folder, path("rows.jsonl")});
  ASSERT_EQ(before.status, 0) << before.err;
  fs::remove(own.path() / "parity.jsonl");
  EXPECT_EQ(run({"eval", folder}).status, 2);
  const Printed after = run({"predict", folder, path("rows.jsonl")});
  EXPECT_EQ(after.status, 0) << after.err;
  EXPECT_EQ(after.out, before.out);
  // Another template would ask the model something else.
  std::string yaml = file_text(task);
  yaml.replace(yaml.find("number: {text}"), 6, "figure");
  own.write("parity.yaml", yaml);
  EXPECT_THAT(refused({folder, path("rows.jsonl")}).err, HasSubstr("changed since"));
}

}  // namespace
}  // namespace peftbench::predict_test
