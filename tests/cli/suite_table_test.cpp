// Tables of suites and folders of runs: how rows are evaluated, which runs count, what is missing.
#include "cli/suite_fixture.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::suite_table_test {

using namespace layers;
using testing_support::run;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class SuiteTable : public SuiteFixture {};

// S17: the shipped suites score all rows of a table alike, also on a backbone without settings of its own.
TEST_F(SuiteTable, RowsAreEvaluatedAlikeUnlessOneSaysOtherwise) {
  const fs::path home = PEFTBENCH_TEST_SOURCE_DIR, copy = scratch_.path() / "copied-model";
  fs::create_directory_symlink(home / "assets/backbones/t5-nano-mix", copy);
  const std::string methods =
      "rows:\n  - {method: prompt_tuning}\n  - {method: ia3}\n  - {method: lora}\n"
      "  - {method: prompt_design}\n  - {method: model_tuning}\n";
  const std::string head = "tasks: [" + write_task(scratch_).string() + "]\nbackbones: [" + copy.string() + "]\n";
  const auto dry = [&](const std::string& rows) {
    const fs::path file = scratch_.write("alike.yaml", head + rows);
    return run({"suite", file.string(), "--dry-run", "--json", "--out", out_.string()});
  };
  const Printed alike = dry(methods);
  ASSERT_EQ(alike.status, 0) << alike.err;
  const json rows = json::parse(alike.out);
  ASSERT_EQ(rows.size(), 5u);
  for (const json& row : rows) {
    EXPECT_EQ(row.at("config").at("eval"), rows.at(0).at("config").at("eval")) << row.at("row");
    EXPECT_EQ(row.at("evaluated_otherwise"), json::array());
  }
  EXPECT_THAT(alike.err, Not(HasSubstr("evaluated differently")));
  const Printed own = dry(methods + "  - {method: lora, name: ranked, eval: {mode: rank, rank_score: mean}}\n");
  EXPECT_THAT(own.err, HasSubstr("the row 'ranked' is evaluated differently from the rest of the table: eval.mode=rank "
                                 "(else greedy), eval.rank_score=mean"));
  EXPECT_EQ(json::parse(own.out).at(5).at("evaluated_otherwise").size(), 2u);
}

TEST_F(SuiteTable, ARowThatIsEvaluatedOtherwiseIsMarkedInItsTable) {
  const fs::path file = write_suite(
      "  - {method: prompt_tuning, name: ranked, set: {length: 2}, eval: {mode: rank}}\n"
      "  - {method: prompt_tuning, name: written, set: {length: 4}}\n");
  const Printed printed = run(suite(file, {"--seeds", "1", "--json"}));
  ASSERT_EQ(printed.status, 0) << printed.err;
  const json rows = json::parse(printed.out);
  EXPECT_EQ(rows.at(0).at("evaluated_otherwise"), json::array({"eval.mode=rank (else greedy)", "eval.rank_score=sum"}));
  EXPECT_THAT(rows.at(0).at("warnings").dump(), HasSubstr("evaluated differently"));
  EXPECT_EQ(rows.at(0).at("answers"), "ranked by sum");
  EXPECT_EQ(rows.at(1).at("evaluated_otherwise"), json::array());
  EXPECT_THAT(run({"report", out_.string(), "--suite", file.string()}).out,
              AllOf(ContainsRegex("ranked \\* +[01]\\.[0-9]+ \\[[^]]*\\] +ranked by sum"),
                    HasSubstr("  ranked: eval.mode=rank (else greedy)")));
}

TEST_F(SuiteTable, OneCommandWritesThePageThatReportPrints) {
  const fs::path file = write_suite("  - {method: prompt_design}\n"), page = out_ / "pages" / "page.html";
  const Printed printed = run(suite(file, {"--page", page.string()}));
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_EQ(file_text(page), run({"report", out_.string(), "--suite", file.string(), "--format", "html"}).out);
  EXPECT_THAT(file_text(page), AllOf(HasSubstr("<!DOCTYPE html>"), HasSubstr("prompt_design")));
}

// A page that cannot be written is told before anything is trained.
TEST_F(SuiteTable, APageInAnImpossiblePlaceStopsTheSuiteFirst) {
  const fs::path file = write_suite("  - {method: prompt_design}\n"), blocked = scratch_.write("blocked", "a file");
  const Printed printed = run(suite(file, {"--page", (blocked / "page.html").string()}));
  EXPECT_NE(printed.status, 0);
  EXPECT_THAT(printed.err, HasSubstr(blocked.string()));
  EXPECT_FALSE(fs::exists(out_));
}

// hostile 6: one damaged record stands for itself, and the same command continues its run.
TEST_F(SuiteTable, ADamagedRecordLeavesTheOtherRows) {
  const fs::path file = write_suite(three_rows);
  run(suite(file, {"--seeds", "1"}));
  const std::string id = manifest().at("cells").at(0).at("run"), other = manifest().at("cells").at(1).at("run");
  const json before = record(id);
  scratch_.write("runs/" + id + "/record.json", "{\"id\": ");
  const Printed report = run({"report", out_.string()});
  EXPECT_EQ(report.status, 0) << report.err;
  EXPECT_THAT(report.out,
              AllOf(HasSubstr(id + ": "), HasSubstr("record.json"), ContainsRegex("prompt_tuning.* [01]\\.[0-9]+")));
  const Printed again = run(suite(file, {"--seeds", "1"}));
  EXPECT_THAT(again.err, HasSubstr("short on parity, seed 1: accuracy"));
  EXPECT_THAT(again.err, Not(HasSubstr("long on parity")));
  EXPECT_EQ(record(id).at("metrics"), before.at("metrics"));
  EXPECT_EQ(record(id).at("adapter_hash"), before.at("adapter_hash"));
}

// S5
TEST_F(SuiteTable, ACopiedFolderCountsOnce) {
  const fs::path file = write_suite("  - {method: prompt_tuning, name: short, set: {length: 2}}\n");
  ASSERT_EQ(run(suite(file)).status, 0);
  const json before = json::parse(run({"report", out_.string(), "--json"}).out);
  fs::copy(out_ / manifest().at("cells").at(0).at("run").get<std::string>(), out_ / "a-backup",
           fs::copy_options::recursive);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"report", out_.string(), "--json"},
        std::vector<std::string>{"report", out_.string(), "--suite", file.string(), "--json"},
        suite(file, {"--json"})}) {
    const json after = json::parse(run(words).out);
    ASSERT_EQ(after.size(), 1u);
    EXPECT_EQ(after.at(0).at("score"), before.at(0).at("score"));
    EXPECT_EQ(after.at(0).at("runs").size(), 2u);
    EXPECT_THAT(after.at(0).at("warnings").dump(), HasSubstr("a-backup"));
  }
  EXPECT_THAT(run({"report", out_.string()}).out, HasSubstr("'a-backup' is a copy of the run in"));
}

// S21
TEST_F(SuiteTable, ReportFollowsItsFileAndTheSeedsOfEachCommand) {
  const std::string rows = "  - {method: prompt_tuning, name: short, set: {length: 2}}\n";
  const fs::path file = write_suite(rows);
  {
    Program first(suite(file, {"--seeds", "1"})), third(suite(file, {"--seeds", "3"}));
    EXPECT_EQ(first.wait(), 0) << first.err();
    EXPECT_EQ(third.wait(), 0) << third.err();
  }
  write_suite(rows + "  - {method: prompt_tuning, name: added, set: {length: 3}}\n");
  const auto report = [&](const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"report", out_.string(), "--suite", file.string(), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return json::parse(run(words).out);
  };
  json table = report();
  ASSERT_EQ(table.size(), 2u);
  std::vector<std::string> states;
  for (const json& seed : table.at(0).at("runs")) states.push_back(seed.at("status"));
  EXPECT_EQ(states, (std::vector<std::string>{"finished", "missing", "finished"}));
  for (const json& seed : table.at(1).at("runs")) EXPECT_EQ(seed.at("status"), "missing");
  EXPECT_EQ(report({"--seeds", "3"}).at(0).at("runs").size(), 1u);
  // What is no row of the file any more is none of the table.
  write_suite("  - {method: prompt_tuning, name: added, set: {length: 3}}\n");
  table = report();
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table.at(0).at("label"), "added");
  EXPECT_EQ(run({"report", out_.string(), "--suite", "mine"}).status,
            0);  // its name stands for the file it was run from
  fs::remove(file);
  EXPECT_THAT(run({"report", out_.string(), "--suite", "mine"}).err,
              HasSubstr("the file of the suite 'mine' is missing"));
}

// Threads are a part of the id where nothing sets them: earlier commands are asked for theirs.
TEST_F(SuiteTable, ReportFindsRunsOfOtherJobs) {
  const fs::path file = scratch_.write(
      "free.yaml", "tasks: [" + write_task(scratch_).string() +
                       "]\nbackbones: [t5-nano-lm]\ndefaults: {train: {steps: 2, batch_size: 4, evaluate_every: 0}, "
                       "eval: {examples: 6}}\nrows:\n  - {method: prompt_tuning, set: {length: 2}}\n");
  const Printed made = run({"suite", file.string(), "--out", out_.string(), "--jobs", "2", "--set", "train.steps=1"},
                           {{"OMP_NUM_THREADS", "6"}});
  ASSERT_EQ(made.status, 0) << made.err;
  const Printed found = run({"report", out_.string(), "--suite", file.string()}, {{"OMP_NUM_THREADS", "1"}});
  EXPECT_THAT(found.out, ContainsRegex("prompt_tuning +[01]\\.[0-9]+ \\[[^]]*\\] +1 "));
  EXPECT_THAT(found.err, HasSubstr("last suite command: --set train.steps=1"));
}

// What a run forgot is measured after it, once, and again where it is missing or its limits are others.
TEST_F(SuiteTable, ForgettingIsMeasuredAfterEachRun) {
  const std::string row = "  - {method: prompt_tuning, name: short, set: {length: 2}}\n";
  const std::string asked = "columns: [score, forgetting, +agreement]\nforgetting: {examples: 3, tokens: 16}\n";
  const fs::path file = write_suite(row + asked);
  const Printed first = run(suite(file));
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_THAT(first.err, HasSubstr("short on parity, seed 1: forgetting measured"));
  EXPECT_THAT(first.out, AllOf(HasSubstr("forgetting"), HasSubstr("agreement"), HasSubstr("rise of the loss"),
                               Not(HasSubstr("memory"))));
  const std::string id = manifest().at("cells").at(0).at("run");
  const json kept = record(id).at("forgetting");
  EXPECT_EQ(kept.at("examples"), 3);
  EXPECT_EQ(kept.at("max_tokens"), 16);
  EXPECT_TRUE(kept.at("loss_with_method").is_number());
  const Printed again = run(suite(file));
  EXPECT_THAT(again.err, Not(HasSubstr("forgetting measured")));
  EXPECT_EQ(again.out, first.out);

  json without = record(id);  // as if the suite had been killed before
  without["forgetting"] = nullptr;
  scratch_.write("runs/" + id + "/record.json", without.dump());
  const Printed continued = run(suite(file));
  EXPECT_THAT(continued.err, HasSubstr("short on parity, seed 1: forgetting measured"));
  EXPECT_EQ(continued.out, first.out);
  EXPECT_EQ(record(id).at("forgetting"), kept);
  EXPECT_EQ(record(id).at("adapter_hash"), without.at("adapter_hash"));

  write_suite(row + "forgetting: {examples: 2, tokens: 16}\n");
  EXPECT_EQ(run(suite(file)).status, 0);
  EXPECT_EQ(record(id).at("forgetting").at("examples"), 2);
  EXPECT_THAT(run({"report", out_.string(), "--columns", "forgetting"}).out, HasSubstr("forgetting"));
  write_suite(row + "columns: [scor]\n");
  const Printed unknown = run(suite(file));
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("mine.yaml:"), HasSubstr("did you mean 'score'?")));
}

}  // namespace
}  // namespace peftbench::suite_table_test
