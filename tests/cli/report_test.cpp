// `peft-bench report` in each of its forms: records that are written here.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::report_forms_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ReportForms : public testing::Test {
 protected:
  // A finished run with this score. A record of the corpus stands in for one of a real run.
  void write_run(const std::string& method, const std::string& task, double score) const {
    json record = json::parse(file_text(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "tests/hostile/corpus/record/lora.json"));
    const std::string id = "run-" + std::to_string(written_++);
    record["id"] = id;
    record["method"]["name"] = method;
    record["task"]["name"] = task;
    record["config"] = {{"method", {{"name", method}}}, {"seed", 1}};
    record["tasks"] = json::array();
    record["metrics"][0]["value"] = score;
    scratch_.write("runs/" + id + "/record.json", record.dump());
  }
  Printed report(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"report", (scratch_.path() / "runs").string()};
    words.insert(words.end(), more.begin(), more.end());
    return testing_support::run(words);
  }
  std::string printed(const std::vector<std::string>& more = {}) const {
    const Printed all = report(more);
    EXPECT_EQ(all.status, 0) << all.err;
    return all.out;
  }

  Scratch scratch_;
  mutable int written_ = 0;
};

class TwoTasks : public ReportForms {
 protected:
  void SetUp() override {
    write_run("ia3", "films", 0.75);
    write_run("lora_x", "films", 0.875);
    write_run("lora_x", "tweets", 0.5);
    write_run("ia3", "tweets", 0.25);
    write_run("soft", "films", 1);
  }
};

TEST_F(TwoTasks, LatexAndHtmlHaveTheMeanOverTasks) {
  EXPECT_THAT(printed({"--format", "latex"}),
              AllOf(StartsWith("% Made by peft-bench. Needs \\usepackage{booktabs}"),
                    HasSubstr("\n    lora\\_x & \\textbf{0.875 [0.700, 0.800]} & "
                              "\\textbf{0.500 [0.700, 0.800]} & \\textbf{0.688} \\\\\n"),
                    HasSubstr("    \\textbullet{} soft: no run on tweets\\par\n")));
  EXPECT_THAT(printed({"--format", "html"}),
              AllOf(StartsWith("<!DOCTYPE html>\n"), HasSubstr("<caption>mean over tasks (t5-nano-lm)</caption>"),
                    HasSubstr("<td><strong>0.688</strong></tr>"), HasSubstr("<li>soft: no run on tweets</li>")));
}

TEST_F(TwoTasks, FiguresAreFilesAndNoTable) {
  const fs::path folder = scratch_.path() / "figures";
  EXPECT_EQ(printed({"--figures", folder.string()}), "");
  EXPECT_THAT(
      file_text(folder / "score-trained-films-on-t5-nano-lm.svg"),
      AllOf(StartsWith("<?xml "), HasSubstr("<title>films on t5-nano-lm: score against trained parameters</title>")));
}

TEST_F(TwoTasks, TextAndMarkdownHaveItWhereItIsAskedFor) {
  for (const std::string form : {"text", "markdown"}) {
    const std::string plain = printed({"--format", form}), by_task = printed({"--format", form, "--by-task"});
    EXPECT_THAT(plain, Not(HasSubstr("mean over tasks")));
    EXPECT_THAT(by_task, AllOf(StartsWith(plain + "\n"), HasSubstr("mean over tasks (t5-nano-lm)"), HasSubstr("0.688"),
                               HasSubstr("soft: no run on tweets")));
  }
  EXPECT_EQ(printed(), printed({"--format", "text"}));
}

TEST_F(TwoTasks, CsvAndJsonAreThatTableAlone) {
  EXPECT_EQ(printed({"--format", "csv", "--by-task"}),
            "backbone,label,films,tweets,mean_over_tasks\nt5-nano-lm,ia3,0.75,0.25,0.5\n"
            "t5-nano-lm,lora_x,0.875,0.5,0.6875\nt5-nano-lm,soft,1.0,,\n");
  const std::string by_task = printed({"--json", "--by-task"});
  EXPECT_EQ(json::parse(by_task).at(1), (json{{"backbone", "t5-nano-lm"},
                                              {"label", "lora_x"},
                                              {"scores", {{"films", 0.875}, {"tweets", 0.5}}},
                                              {"mean_over_tasks", 0.6875}}));
  EXPECT_EQ(printed({"--format", "json", "--by-task"}), by_task);
  EXPECT_EQ(printed({"--format", "json"}), printed({"--json"}));
  EXPECT_EQ(json::parse(printed({"--json"})).size(), 5u);
}

TEST_F(ReportForms, OneTaskHasNoMean) {
  write_run("ia3", "films", 0.75);
  const Printed by_task = report({"--by-task"});
  EXPECT_EQ(by_task.status, 0);
  EXPECT_EQ(by_task.out, printed());
  EXPECT_THAT(by_task.err, HasSubstr("no method was run on several tasks of one backbone"));
  EXPECT_THAT(printed({"--format", "latex"}), Not(HasSubstr("mean over tasks")));
  const Printed unknown = report({"--format", "tex"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.err, HasSubstr("latex"));
}

TEST_F(TwoTasks, ColumnsAreChosen) {
  for (const std::string form : {"text", "markdown", "latex", "html"}) {
    const std::string memory = form == "html" ? ">memory</th>" : "memory";  // the page has a plot of it too
    const std::string some = printed({"--format", form, "--columns", "score,steps,accuracy"});
    EXPECT_THAT(some, AllOf(HasSubstr("steps"), HasSubstr("accuracy"), Not(HasSubstr(memory))));
    const std::string more = printed({"--format", form, "--columns", "+chosen_by"});
    EXPECT_THAT(more, AllOf(HasSubstr("step chosen by"), HasSubstr(memory)));
  }
  EXPECT_EQ(printed({"--format", "csv", "--columns", "score"}), printed({"--format", "csv"}));
  const Printed unknown = report({"--columns", "stepz"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean 'steps'?"));
  const Printed help = testing_support::run({"report", "--columns", "help"});
  EXPECT_EQ(help.status, 0) << help.err;
  EXPECT_THAT(help.out, AllOf(HasSubstr("training_step_flops"), HasSubstr("macro_f1")));
  EXPECT_EQ(testing_support::run({"suite", "--columns=help"}).out, help.out);
}

TEST_F(TwoTasks, PublishedScoresStandApart) {
  const fs::path file = scratch_.write("published.yaml",
                                       "backbone: T5 XXL\ncitation: A paper\nscores:\n"
                                       "  - {method: soft, task: films, metric: accuracy, score: 0.99}\n"
                                       "  - {method: soft, task: books, metric: accuracy, score: 0.98}\n");
  const Printed shown = report({"--published", file.string(), "--by-task"});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr("soft (T5 XXL) [1]"), HasSubstr("[1] A paper"), HasSubstr("constant answer")));
  EXPECT_THAT(shown.err, HasSubstr("the published score of soft on books is not shown"));
  EXPECT_THAT(printed({"--published", file.string(), "--format", "csv"}), Not(HasSubstr("A paper")));
  EXPECT_THAT(printed({"--published", file.string(), "--format", "latex"}), Not(HasSubstr("\\textbf{0.990}")));
  scratch_.write("published.yaml", "scores: []\nyear: 2021\n");
  EXPECT_EQ(report({"--published", file.string()}).status, 2);
}

TEST_F(ReportForms, BrokenRecordsAreNamedAndAnIndexChangesNoByte) {
  const std::vector<std::pair<std::string, std::string>> broken = {
      {"cut", "{\"schema_version\": 1, \"id\": \"cu"}, {"older", "{\"schema_version\": 0}"}, {"foreign", "{\"a\": 1}"}};
  for (const auto& [name, text] : broken) scratch_.write("runs/" + name + "/record.json", text);
  const auto names_all = AllOf(HasSubstr("cut"), HasSubstr("older"), HasSubstr("foreign"));
  EXPECT_THAT(printed(), AllOf(names_all, HasSubstr("unknown schema version")));  // there is nothing else
  for (int i = 0; i < 200; ++i) write_run("ia3", "films", 0.5);
  std::this_thread::sleep_for(std::chrono::milliseconds(2200));  // results/stored_runs.h: IndexUse::settled
  const fs::path index = scratch_.path() / "runs" / "index.sqlite";
  for (const std::string form : {"text", "markdown", "csv", "json", "latex", "html"}) {
    fs::remove(index);
    const std::string without = printed({"--format", form});
    EXPECT_TRUE(fs::is_regular_file(index)) << form;
    EXPECT_EQ(printed({"--format", form}), without);
    EXPECT_THAT(without, AllOf(names_all, HasSubstr("ia3"), HasSubstr("films"))) << form;
  }
}

TEST_F(ReportForms, CsvHoldsNothingThatASpreadsheetComputes) {
  write_run("=1+1", "@films", -0.5);
  EXPECT_THAT(printed({"--format", "csv"}), AllOf(HasSubstr("\n'=1+1,'=1+1,'@films,"), HasSubstr(",-0.5,")));
}

}  // namespace
}  // namespace peftbench::report_forms_test
