#include "commands/suite.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace peftbench::suite_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Suite : public testing::Test {
 protected:
  Suite() { fs::create_directories(folder_ / "suites"); }
  ~Suite() override { fs::remove_all(folder_); }
  SuiteSpec read(const std::string& text) const {
    std::ofstream(folder_ / "suites" / "mine.yaml") << text;
    return read_suite("mine", folder_);
  }
  std::string fault(const std::string& text) const {
    try {
      read(text);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  }
  fs::path folder_ = fs::temp_directory_path() / ("peftbench-suite-" + std::to_string(::getpid()));
};

std::vector<std::string> keys(const SettingsBlock& block) {
  std::vector<std::string> result;
  for (const Setting& setting : block.settings)
    result.push_back(setting.key + "=" + std::get<std::string>(setting.value));
  return result;
}

TEST_F(Suite, IsAGridOfRowsTasksBackbonesAndSeeds) {
  const SuiteSpec suite = read(
      "summary: a few\n"
      "tasks: [movies, books]\n"
      "backbones: t5\n"
      "seeds: [1, 4-6]\n"
      "defaults: {train: {steps: 30}, eval: {examples: 100}, threads: 1}\n"
      "rows:\n"
      "  - {method: lora}\n"
      "  - {method: lora, name: wide, set: {rank: 64}, train: {steps: 50}, on: {movies: {train: {steps: 5}}}}\n");
  EXPECT_EQ(suite.name, "mine");
  EXPECT_THAT(suite.tasks, ElementsAre("movies", "books"));
  EXPECT_THAT(suite.backbones, ElementsAre("t5"));
  EXPECT_THAT(suite.seeds, ElementsAre(1, 4, 5, 6));
  EXPECT_THAT(keys(suite.defaults), ElementsAre("train.steps=30", "eval.examples=100", "threads=1"));
  ASSERT_EQ(suite.rows.size(), 2u);
  EXPECT_EQ(suite.rows[0].name, "lora");
  EXPECT_EQ(suite.rows[1].name, "wide");
  EXPECT_THAT(keys(suite.rows[1].settings), ElementsAre("set.rank=64", "train.steps=50"));
  EXPECT_THAT(suite.rows[1].settings.settings.front().origin, HasSubstr("mine.yaml:8"));
  ASSERT_EQ(suite.rows[1].settings.conditions.size(), 1u);
}

TEST_F(Suite, LeavesToTheDefaultsWhatItDoesNotName) {
  const SuiteSpec suite = read("rows: [{method: lora}]\n");
  EXPECT_THAT(suite.tasks, ElementsAre(""));
  EXPECT_THAT(suite.backbones, ElementsAre(""));
  EXPECT_THAT(suite.seeds, ElementsAre(1));
}

TEST_F(Suite, RefusesWhatIsNoGrid) {
  EXPECT_THAT(fault("row: [{method: lora}]\n"), HasSubstr("mine.yaml:1: unknown key 'row'"));
  EXPECT_THAT(fault("tasks: [movies]\n"), HasSubstr("'rows' is missing"));
  EXPECT_THAT(fault("rows: []\n"), HasSubstr("'rows' is empty"));
  EXPECT_THAT(fault("rows: [{name: a}]\n"), HasSubstr("'method' is missing"));
  EXPECT_THAT(fault("rows:\n  - {method: lora}\n  - {method: lora, set: {rank: 2}}\n"),
              HasSubstr("mine.yaml:3: duplicate row name 'lora'"));
  // hostile 21
  EXPECT_THAT(fault("rows: [{method: lora, name: \"a\\nb: c\"}]\n"), HasSubstr("mine.yaml:1: invalid row name"));
  EXPECT_THAT(fault("rows: [{method: lora, name: \"a\\e[31m\"}]\n"), HasSubstr("a\\x1b[31m"));
  EXPECT_THAT(fault("rows: [{method: lora, name: ''}]\n"), HasSubstr("invalid row name"));
  EXPECT_THAT(fault("tasks: [a, a]\nrows: [{method: lora}]\n"), HasSubstr("duplicate entry 'a'"));
  EXPECT_THAT(fault("rows: [{method: lora, seed: 3}]\n"), HasSubstr("set it under 'seeds'"));
  EXPECT_THAT(fault("rows: [{method: lora, on: {t5: {task: movies}}}]\n"), HasSubstr("set it under 'tasks'"));
  EXPECT_THAT(fault("defaults: {backbone: t5}\nrows: [{method: lora}]\n"), HasSubstr("set it under 'backbones'"));
  EXPECT_THAT(fault("seeds: [one]\nrows: [{method: lora}]\n"), HasSubstr("mine.yaml:1: invalid seed list"));
}

TEST_F(Suite, SaysWhichColumnsItsTableHasAndWhatIsMeasuredAfterRuns) {
  SuiteSpec suite = read("rows: [{method: lora}]\n");
  EXPECT_TRUE(suite.columns.empty());
  EXPECT_FALSE(suite.forgetting);
  suite = read("rows: [{method: lora}]\ncolumns: [score, +steps]\nforgetting: true\n");
  EXPECT_THAT(suite.columns, ElementsAre("score", "+steps"));
  EXPECT_THAT(suite.columns_place, HasSubstr("mine.yaml:2"));
  ASSERT_TRUE(suite.forgetting);
  EXPECT_EQ(suite.forgetting->max_tokens, 256);
  EXPECT_FALSE(suite.forgetting->text);
  EXPECT_FALSE(read("rows: [{method: lora}]\nforgetting: false\n").forgetting);
  std::ofstream(folder_ / "suites" / "texts.txt") << "one\n";
  suite = read("rows: [{method: lora}]\nforgetting: {text: texts.txt, examples: 5, tokens: 16}\n");
  EXPECT_EQ(suite.forgetting->text->filename(), "texts.txt");
  EXPECT_EQ(suite.forgetting->examples, 5);
  EXPECT_EQ(suite.forgetting->max_tokens, 16);
  const std::string head = "rows: [{method: lora}]\nforgetting: ";
  EXPECT_THAT(fault(head + "{text: none.txt}\n"), HasSubstr("mine.yaml:2: there is no such file"));
  EXPECT_THAT(fault(head + "{tokens: 1}\n"), HasSubstr("at least 2"));
  EXPECT_THAT(fault(head + "{task: movies}\n"), HasSubstr("unknown key 'task'"));
  EXPECT_THAT(fault(head + "perhaps\n"), HasSubstr("mine.yaml:2"));
}

TEST_F(Suite, AnUnknownOneIsToldWithTheNearest) {
  read("rows: [{method: lora}]\n");
  try {
    read_suite("mien", folder_);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean 'mine'?"));
  }
}

TEST_F(Suite, ASettingForEveryRunMayNotMakeSeveralTasksOne) {
  const auto refusal = [&](const std::string& axes, const std::string& set) -> std::string {
    SuiteRequest request;
    request.spec = read(axes + "rows: [{method: lora}]\n");
    request.settings = {parse_set(set)};
    request.out = folder_ / "runs";
    try {
      Resources resources(request.paths);
      resolve_suite(request, {}, resources);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal("tasks: [movies, books]\n", "task.name=news"),
              AllOf(HasSubstr("--set task.name=news: the suite has 2 tasks"), HasSubstr("shorten 'tasks' in"),
                    HasSubstr("mine.yaml")));
  EXPECT_THAT(refusal("backbones: [a, b, c]\n", "backbone.name=t5"), HasSubstr("the suite has 3 backbones"));
  // One is as well named there, and other settings are for all.
  const auto accept = [&](const std::string& axes, const std::string& set) {
    refuse_axes({parse_set(set)}, read(axes + "rows: [{method: lora}]\n"));
  };
  EXPECT_NO_THROW(accept("tasks: movies\n", "task.name=news"));
  EXPECT_NO_THROW(accept("tasks: [movies, books]\n", "train.steps=3"));
}

TEST(Seeds, AreNumbersAndRanges) {
  EXPECT_THAT(parse_seeds("3", "x"), ElementsAre(3));
  EXPECT_THAT(parse_seeds("1-3,2,9", "x"), ElementsAre(1, 2, 3, 9));
  for (const char* wrong : {"", "1,", "a", "1-", "3-1", "-1", "1.5", "1-99999999999"})
    EXPECT_THROW(parse_seeds(wrong, "x"), ConfigError) << wrong;
}

}  // namespace
}  // namespace peftbench::suite_test
