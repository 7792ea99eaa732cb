#include "data_fixture.h"
#include "support/layers.h"

#include "core/random.h"
#include "data/task/task_spec.h"

namespace peftbench::task_config_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* whole =
    "name: reviews\n"
    "summary: good or bad\n"
    "source: {file: r.csv, format: csv, delimiter: ';', quote: none, columns: [id, text, stars], header: true}\n"
    "fetch: reviews\n"
    "fields:\n"
    "  body: text\n"
    "  side: {from: stars, default: 3, cut: [2.5, 3.5], words: [bad, middling, good]}\n"
    "filter: {side: [bad, good], stars: {min: 1, max: 5, outside: [2, 4]}, id: {not_in: [7]}}\n"
    "input: '{{review}}: {body}'\n"
    "target: '{side}'\n"
    "labels: {bad: negative, good: positive}\n"
    "metrics: [macro_f1, accuracy]\n"
    "split: {seed: 3, validation: 50, test: 0.2, by: [id, body]}\n"
    "limits: {input: 100, target: 10}\n";

using TaskConfigTest = DataTest;

TEST_F(TaskConfigTest, ReadsEveryKey) {
  const TaskConfig config = task(whole);
  EXPECT_EQ(config.name, "reviews");
  EXPECT_EQ(config.summary, "good or bad");
  EXPECT_THAT(config.labels, ElementsAre("negative", "positive"));
  EXPECT_THAT(config.metrics, ElementsAre("macro_f1", "accuracy"));
  EXPECT_EQ(config.max_input_tokens, 100);
  EXPECT_EQ(config.max_target_tokens, 10);
  const TaskSpec& spec = *config.spec;
  EXPECT_THAT(spec.source.train, ElementsAre("r.csv"));
  EXPECT_EQ(spec.source.format, SourceFormat::csv);
  EXPECT_EQ(spec.source.delimiter, ';');
  ASSERT_TRUE(spec.source.quote.has_value());
  EXPECT_FALSE(spec.source.quote->has_value());
  EXPECT_TRUE(spec.source.header);
  ASSERT_EQ(spec.fields.size(), 2u);
  EXPECT_EQ(spec.fields[0].from, "text");
  EXPECT_EQ(spec.fields[1].otherwise, "3");
  EXPECT_EQ(spec.filter.size(), 5u);
  ASSERT_EQ(spec.input.parts.size(), 2u);
  EXPECT_EQ(spec.input.parts[0].text, "{review}: ");
  EXPECT_EQ(spec.input.parts[1].text, "body");
  EXPECT_TRUE(spec.input.parts[1].field);
  EXPECT_EQ(spec.split.seed, 3u);
  EXPECT_EQ(spec.split.validation, 50);
  EXPECT_EQ(spec.split.test, 0.2);
  EXPECT_THAT(spec.split.by, ElementsAre("id", "body"));
}

TEST_F(TaskConfigTest, FewLinesAreEnough) {
  const TaskConfig config = task("source: r.csv\ninput: '{text}'\ntarget: '{summary}'\n");
  EXPECT_EQ(config.name, "task");  // of the file
  EXPECT_THAT(config.metrics, ElementsAre("exact_match"));
  EXPECT_EQ(task("source: r.csv\ninput: '{a}'\ntarget: '{b}'\nlabels: [x, y]\n").metrics.front(), "accuracy");
}

TEST_F(TaskConfigTest, CanonicalTextSeesWhatMattersAndNothingElse) {
  const std::string canonical = task(whole).canonical;
  EXPECT_EQ(task("# a comment\n" + std::string(whole)).canonical, canonical);
  EXPECT_EQ(task("source: {train: [r.csv]}\ninput: '{a}'\ntarget: b\n").canonical,
            task("target: b\ninput: \"{a}\"\nsource: r.csv\nsplit: {seed: 0, test: 0.1}\n").canonical);
  for (const auto& [from, to] :
       {std::pair{"seed: 3", "seed: 4"}, std::pair{"min: 1", "min: 2"}, std::pair{"{{review", "{{report"},
        std::pair{"target: 10", "target: 11"}, std::pair{"negative", "poor"}, std::pair{"';'", "','"},
        std::pair{"default: 3", "default: 2"}, std::pair{"not_in", "in"}, std::pair{"[id, body]", "[id]"}}) {
    std::string other = whole;
    other.replace(other.find(from), std::string(from).size(), to);
    EXPECT_NE(task(other).canonical, canonical) << from;
  }
}

// hostile 11: each alternative copied all before it, so that a file of 1 MB took minutes. (ctest's limit tells.)
TEST_F(TaskConfigTest, ManyAlternativesAreReadInLinearTime) {
  std::string yaml = "input: '{a}'\ntarget: '{b}'\nsource:\n  any:\n";
  for (int i = 0; i < 40'000; ++i) yaml += "    - {file: a" + std::to_string(i) + ".csv}\n";
  EXPECT_EQ(task(yaml).spec->source.any.size(), 40'000u);
  std::string splits = "input: '{a}'\ntarget: '{b}'\nsource:\n  train:\n    any:\n";
  for (int i = 0; i < 40'000; ++i) splits += "      - a" + std::to_string(i) + ".csv\n";
  EXPECT_EQ(task(splits).spec->source.any.size(), 40'000u);
}

struct Slip {
  const char* name;
  const char* yaml;
  const char* line;  // :N:
  const char* says;
};

void PrintTo(const Slip& slip, std::ostream* out) { *out << slip.name; }

class TaskConfigSlips : public DataTest, public testing::WithParamInterface<Slip> {};

TEST_P(TaskConfigSlips, NameFileLineAndFault) {
  EXPECT_THAT(config_error(GetParam().yaml),
              AllOf(HasSubstr("task.yaml" + std::string(GetParam().line)), HasSubstr(GetParam().says)));
}

#define REST "input: '{a}'\ntarget: '{b}'\n"
INSTANTIATE_TEST_SUITE_P(
    All, TaskConfigSlips,
    testing::Values(
        Slip{"UnknownKey", "source: a.csv\ninptu: x\n", ":2:", "did you mean 'input'"},
        Slip{"UnknownInnerKey", "source:\n  file: a.csv\n  fromat: csv\n" REST, ":3:", "did you mean 'format'"},
        Slip{"NoSource", REST, ":1:", "'source' is missing"},
        Slip{"NoInput", "source: a.csv\ntarget: x\n", ":1:", "'input' is missing"},
        Slip{"Twice", "source: a.csv\n" REST "input: again\n", ":4:", "duplicate key"},
        Slip{"NotYaml", "source: a.csv\ninput: [unclosed\n", ":3:", "not YAML"},
        Slip{"NotAMap", "- a\n- b\n", ":1:", "not a map"}, Slip{"Empty", "", ":1:", "the file is empty"},
        Slip{"EmptySource", "source:\n" REST, ":1:", "must be a list"},
        Slip{"BothFiles", "source: {file: a, train: b}\n" REST, ":1:", "both 'file' and 'train'"},
        Slip{"FileAndTest", "source: {file: a, test: b}\n" REST, ":1:", "'train' instead of 'file'"},
        Slip{"OneFileTwice", "source: {train: a, test: a}\n" REST, ":1:", "used for two splits"},
        Slip{"Format", "source: {file: a, format: cvs}\n" REST, ":1:", "did you mean 'csv'"},
        Slip{"RowBytes", "source: {file: a, max_row_bytes: 0}\n" REST, ":1:", "1 to 1,073,741,824"},
        Slip{"Columns", "source: {file: a, max_columns: many}\n" REST, ":1:", "max_columns"},
        Slip{"Headerless", "source: {file: a, header: false}\n" REST, ":1:", "columns: [name"},
        Slip{"Delimiter", "source: {file: a, delimiter: '||'}\n" REST, ":1:", "one character"},
        Slip{"OpenBrace", "source: a\ninput: 'x {a'\ntarget: b\n", ":2:", "unmatched '{'"},
        Slip{"CloseBrace", "source: a\ninput: 'x a}'\ntarget: b\n", ":2:", "unmatched '}'"},
        Slip{"EmptyBraces", "source: a\ninput: '{}'\ntarget: b\n", ":2:", "unmatched '{'"},
        Slip{"EmptyTemplate", "source: a\ninput: ''\ntarget: b\n", ":2:", "template is empty"},
        Slip{"NoLabels", "source: a\n" REST "labels: []\n", ":4:", "at least two words"},
        Slip{"OneLabel", "source: a\n" REST "labels: [x]\n", ":4:", "at least two words"},
        Slip{"LabelTwice", "source: a\n" REST "labels: [x, y, x]\n", ":4:", "duplicate label word"},
        Slip{"EmptyLabel", "source: a\n" REST "labels: [x, '']\n", ":4:", "one line of text"},
        Slip{"SpacedLabel", "source: a\n" REST "labels:\n - x\n - ' y'\n", ":6:", "extra spaces"},
        Slip{"NoMetrics", "source: a\n" REST "metrics: []\n", ":4:", "no metrics given"},
        Slip{"CutWithoutWords", "source: a\nfields: {b: {from: c, cut: [1]}}\n" REST, ":2:", "'cut' and 'words'"},
        Slip{"WordCount", "source: a\nfields: {b: {from: c, cut: [1], words: [x]}}\n" REST, ":2:", "2, one more"},
        Slip{"FallingCuts", "source: a\nfields: {b: {from: c, cut: [2, 1], words: [x, y, z]}}\n" REST,
             ":2:", "must be increasing"},
        Slip{"NotANumber", "source: a\nfilter: {b: {min: low}}\n" REST, ":2:", "must be a number"},
        Slip{"Outside", "source: a\nfilter: {b: {outside: [1]}}\n" REST, ":2:", "two numbers"},
        Slip{"SplitPart", "source: a\nsplit: {test: 1.5}\n" REST, ":2:", "fraction or a number of rows"},
        Slip{"SplitZero", "source: a\nsplit: {validation: 0}\n" REST, ":2:", "fraction or a number of rows"},
        Slip{"Seed", "source: a\nsplit: {seed: -1}\n" REST, ":2:", "not be negative"},
        Slip{"Limit", "source: a\nlimits: {input: 1}\n" REST, ":2:", "2 or more"},
        Slip{"LimitText", "source: a\nlimits: {input: many}\n" REST, ":2:", "whole number"}),
    [](const testing::TestParamInfo<Slip>& slip) { return slip.param.name; });
#undef REST

// Whatever a slip of the keyboard makes of a file: a task or a ConfigError.
TEST_F(TaskConfigTest, MutilatedFilesAreTasksOrConfigErrors) {
  Random random(5);
  const std::string marks = "{}[]:,'\"\n -&*!|>%@`#?\t\\\xff\x01";
  int tasks = 0, errors = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string yaml = whole;
    for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
      const std::size_t at = random.below(yaml.size());
      if (random.below(3) == 0)
        yaml.erase(at, 1 + random.below(20));
      else if (random.below(2) == 0)
        yaml.insert(at, 1, marks[random.below(marks.size())]);
      else
        yaml.insert(at, yaml.substr(random.below(yaml.size()), random.below(40)));
    }
    try {
      task(yaml);
      ++tasks;
    } catch (const ConfigError&) {
      ++errors;
    }
  }
  EXPECT_GT(tasks, 50);
  EXPECT_GT(errors, 500);
}

TEST_F(TaskConfigTest, AnAliasOfItselfEndsInAnError) {
  EXPECT_NE(config_error("source: &s [*s]\ninput: x\ntarget: y\n"), "nothing was thrown");
  EXPECT_NE(config_error("source: a\nfilter: &f {a: {in: *f}}\ninput: x\ntarget: y\n"), "nothing was thrown");
}

TEST_F(TaskConfigTest, FindsTasksByNameInTheFirstFolder) {
  const fs::path first = folder_ / "first", second = folder_ / "second";
  fs::create_directory(first);
  fs::create_directory(second);
  write("first/a.yaml", "summary: mine\nsource: a.csv\ninput: '{a}'\ntarget: b\n");
  write("second/a.yaml", "summary: theirs\nsource: a.csv\ninput: '{a}'\ntarget: b\n");
  write("second/b_task.yaml", "source: a.csv\ninput: '{a}'\ntarget: b\n");
  const std::vector<fs::path> folders = {first, folder_ / "absent", second};
  EXPECT_EQ(read_task_config("a", folders).summary, "mine");
  ASSERT_EQ(list_tasks(folders).size(), 2u);
  EXPECT_EQ(list_tasks(folders)[1].name, "b_task");
  EXPECT_THAT(message<ConfigError>([&] { read_task_config("b_taks", folders); }),
              AllOf(HasSubstr("unknown task 'b_taks'"), HasSubstr("did you mean 'b_task'? Available: a, b_task")));
  EXPECT_THAT(message<ConfigError>([&] { read_task_config("no/where.yaml", folders); }), HasSubstr("no/where.yaml"));
  write("second/c.yaml", "name: d\nsource: a.csv\ninput: '{a}'\ntarget: b\n");
  EXPECT_THAT(message<ConfigError>([&] { list_tasks(folders); }),
              HasSubstr("c.yaml: the task name differs from the file name"));
}

TEST_F(TaskConfigTest, TheTasksOfTheProjectAreSound) {
  const std::vector<TaskConfig> tasks = list_tasks({fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "configs/tasks"});
  ASSERT_GE(tasks.size(), 2u);
  for (const TaskConfig& config : tasks) EXPECT_FALSE(config.summary.empty()) << config.name;
}

}  // namespace
}  // namespace peftbench::task_config_test
