// What is scored or begun from is compared with what was trained, by content and not by name. // S4
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace peftbench::made_from_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::run;

std::string ticket_rows(int first, int last) {
  std::string rows;
  for (int i = first; i < last; ++i)
    rows += "ticket " + std::to_string(i * 7919 % 1000) + (i % 2 ? " the printer burns" : " thank you all") + "," +
            (i % 2 ? "bad" : "good") + "\n";
  return rows;
}

class MadeFrom : public testing::Test {
 protected:
  MadeFrom() {
    scratch_.write("tickets.csv", "text,mood\n" + ticket_rows(0, 60));
    task_ = scratch_.write("tickets.yaml", yaml("[bad, good]"));
  }
  static std::string yaml(const std::string& labels, const std::string& data = "tickets.csv") {
    return "source: " + data + "\ninput: \"ticket: {text}\"\ntarget: \"{mood}\"\nlabels: " + labels +
           "\nsplit: {seed: 0, validation: 12, test: 20}\nlimits: {input: 32, target: 6}\n";
  }
  fs::path trained(const std::string& out, const std::vector<std::string>& more = {}) const {
    const Printed printed = run(short_run(task_, scratch_.path() / out, more));
    EXPECT_EQ(printed.status, 0) << printed.err;
    return only_run(scratch_.path() / out);
  }
  // A classifier's head: its rows are labels by their places.
  fs::path trained_head(const std::string& out) const {
    const Printed printed = run({"--method", "head_tuning", "--task", task_.string(), "--backbone", "t5-nano-lm",
                                 "--out", (scratch_.path() / out).string(), "--steps", "60", "--threads", "1", "--set",
                                 "train=head", "--set", "train.learning_rate=0.1", "--set", "train.batch_size=8"});
    EXPECT_EQ(printed.status, 0) << printed.err;
    return only_run(scratch_.path() / out);
  }
  static json record(const fs::path& run) { return json::parse(file_text(run / "record.json")); }
  static double score(const json& from) { return from.at("metrics").at(0).at("value"); }
  void append_rows() const { scratch_.write("tickets.csv", "text,mood\n" + ticket_rows(0, 64)); }

  Scratch scratch_;
  fs::path task_;
};

TEST_F(MadeFrom, RowsThatWereAddedAreRefusedWithBothHashes) {
  const fs::path folder = trained("runs");
  const std::string then = record(folder).at("task").at("hash");
  EXPECT_EQ(record(folder).at("task").at("file"), task_.string());
  append_rows();
  const std::vector<std::vector<std::string>> commands = {
      {"eval", folder.string()}, {"ensemble", folder.string()}, {"forgetting", folder.string()}};
  for (const std::vector<std::string>& words : commands) {
    const Printed printed = run(words);
    EXPECT_EQ(printed.status, 2) << words.front() << printed.out;
    EXPECT_EQ(printed.out, "");
    EXPECT_THAT(printed.err,
                AllOf(HasSubstr("the task 'tickets' changed since the run"), HasSubstr("data " + then.substr(0, 16)),
                      HasSubstr("tickets.yaml"), HasSubstr("eval RUN --task")));
  }
  // Openly, as another task, it is scored; and that is said.
  const Printed other = run({"eval", folder.string(), "--task", task_.string(), "--json"});
  ASSERT_EQ(other.status, 0) << other.err;
  EXPECT_THAT(other.err, HasSubstr("'tickets' is evaluated as a different task"));
  EXPECT_THAT(json::parse(other.out).at("warnings").dump(), HasSubstr("may have been used for training"));
  // With its rows as they were it is the same run again.
  scratch_.write("tickets.csv", "text,mood\n" + ticket_rows(0, 60));
  const Printed again = run({"eval", folder.string(), "--json"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(json::parse(again.out).at("metrics"), record(folder).at("metrics"));
}

TEST_F(MadeFrom, TrainingDoesNotBeginFromWhatHasSeenTheTestRows) {
  const fs::path folder = trained("runs");
  append_rows();
  for (const fs::path& start : {folder, folder / "adapter"}) {
    const Printed printed = run(short_run(task_, scratch_.path() / "next", {"--init-from", start.string()}));
    EXPECT_EQ(printed.status, 2) << printed.out;
    EXPECT_THAT(printed.err, AllOf(HasSubstr("were trained on an earlier version of 'tickets'"),
                                   HasSubstr(record(folder).at("task").at("hash").get<std::string>().substr(0, 16))));
  }
  // Under another name it is told, and by content: the rows that the other split trains on are counted.
  scratch_.write("tickets.csv", "text,mood\n" + ticket_rows(0, 60));
  std::string other = yaml("[bad, good]");
  other.replace(other.find("seed: 0"), 7, "seed: 1");
  const fs::path renamed = scratch_.write("letters.yaml", other);
  const fs::path out = scratch_.path() / "renamed";
  const Printed printed = run(short_run(renamed, out, {"--init-from", (folder / "adapter").string()}));
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(record(only_run(out)).at("warnings").dump(),
              AllOf(HasSubstr("were trained on rows that are scored"), HasSubstr("rows of 'letters' that are scored")));
  const Printed scored = run({"eval", folder.string(), "--task", renamed.string()});
  EXPECT_THAT(scored.err, HasSubstr("rows of 'letters' that are scored are also used to train or select on 'tickets'"));
  const fs::path both = scratch_.path() / "both";
  ASSERT_EQ(run(short_run(task_, both, {"--eval-task", renamed.string()})).status, 0);
  EXPECT_THAT(record(only_run(both)).at("warnings").dump(), HasSubstr("rows of 'letters' that are scored"));
}

TEST_F(MadeFrom, LabelsInAnotherOrderAreRefusedAndMatchedByWordsWhereTheTaskIsNamed) {
  const fs::path folder = trained_head("runs");
  const double then = score(record(folder));
  ASSERT_GT(then, 0.7) << "the head must have learnt for this test";
  EXPECT_EQ(record(folder).at("task").at("labels"), json({"bad", "good"}));
  scratch_.write("tickets.yaml", yaml("[good, bad]"));
  const Printed refused = run({"eval", folder.string()});
  EXPECT_EQ(refused.status, 2) << refused.out;
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("definition "), HasSubstr("labels good, bad"), HasSubstr("labels bad, good")));
  const Printed named = run({"eval", folder.string(), "--task", task_.string(), "--json"});
  ASSERT_EQ(named.status, 0) << named.err;
  EXPECT_EQ(score(json::parse(named.out)), then);
  const Printed start = run({"--method", "head_tuning", "--task", task_.string(), "--backbone", "t5-nano-lm", "--out",
                             (scratch_.path() / "next").string(), "--steps", "1", "--set", "train=head", "--init-from",
                             (folder / "adapter").string()});
  EXPECT_EQ(start.status, 2) << start.out;
  EXPECT_THAT(start.err, HasSubstr("scores other classes"));
}

TEST_F(MadeFrom, ShotsAreThoseOfTheRun) {
  const fs::path out = scratch_.path() / "shots";
  ASSERT_EQ(run({"--method", "prompt_design", "--task", task_.string(), "--backbone", "t5-nano-lm", "--out",
                 out.string(), "--threads", "1", "--set", "shots=2"})
                .status,
            0);
  const fs::path other = scratch_.write("letters.yaml", yaml("[bad, good]", "letters.csv"));
  scratch_.write("letters.csv", "text,mood\n" + ticket_rows(200, 260));
  ASSERT_EQ(run({"eval", only_run(out).string(), "--task", other.string()}).status, 0);
  append_rows();
  const Printed printed = run({"eval", only_run(out).string(), "--task", other.string()});
  EXPECT_EQ(printed.status, 2) << printed.out;
  EXPECT_THAT(printed.err, HasSubstr("the task 'tickets' changed since"));
}

TEST_F(MadeFrom, AMixturesTaskIsKnownByItsContent) {
  scratch_.write("letters.yaml", yaml("[bad, good]", "letters.csv"));
  scratch_.write("letters.csv", "text,mood\n" + ticket_rows(200, 260));
  task_ = scratch_.write("both.yaml", "mixture: {tasks: [tickets.yaml, letters.yaml]}\n");
  const fs::path folder = trained("runs");
  const std::string part = (scratch_.path() / "letters.yaml").string();
  const Printed own = run({"eval", folder.string(), "--task", part, "--json"});
  ASSERT_EQ(own.status, 0) << own.err;
  EXPECT_EQ(json::parse(own.out).at("metrics"), record(folder).at("tasks").at(1).at("metrics"));
  EXPECT_THAT(json::parse(own.out).at("warnings").dump(),
              AllOf(Not(HasSubstr("a different task")), Not(HasSubstr("are also used to train"))));
  scratch_.write("letters.csv", "text,mood\n" + ticket_rows(200, 264));
  EXPECT_EQ(run({"eval", folder.string()}).status, 2);
  // The part has become another task, which a label map may be for.
  EXPECT_EQ(run({"eval", folder.string(), "--task", part, "--label-map", "bad:bad"}).status, 0);
}

// The tensors, the vocabulary and the backbone are those of the run, too.
TEST_F(MadeFrom, WhatLiesInAFolderIsComparedWithWhatTheRunHad) {
  const fs::path backbone = scratch_.path() / "my-t5";
  fs::copy(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets" / "backbones" / "t5-nano-lm", backbone);
  std::vector<std::string> words = short_run(task_, scratch_.path() / "runs");
  std::replace(words.begin(), words.end(), std::string("t5-nano-lm"), backbone.string());
  ASSERT_EQ(run(words).status, 0);
  const fs::path folder = only_run(scratch_.path() / "runs");
  // The same vocabulary but for a field that nobody reads.
  const std::string vocabulary = file_text(backbone / "spiece.model");
  std::ofstream(backbone / "spiece.model", std::ios::binary | std::ios::app) << "\xc0\x3e\x01";
  for (const char* command : {"eval", "forgetting", "neighbors"}) {
    const Printed printed = run({command, folder.string()});
    EXPECT_EQ(printed.status, 2) << command << printed.out;
    EXPECT_THAT(printed.err, AllOf(HasSubstr("vocabulary changed since"),
                                   HasSubstr(record(folder).at("vocabulary_hash").get<std::string>().substr(0, 16))));
  }
  std::ofstream(backbone / "spiece.model", std::ios::binary) << vocabulary;
  ASSERT_EQ(run({"eval", folder.string()}).status, 0);

  ASSERT_EQ(run(short_run(task_, scratch_.path() / "others", {}, "9")).status, 0);
  const fs::path elsewhere = only_run(scratch_.path() / "others");
  const fs::path file = folder / "adapter" / "adapter.safetensors";
  fs::rename(file, file.string() + ".own");
  fs::copy(elsewhere / "adapter" / "adapter.safetensors", file);
  ASSERT_NE(file_text(file), file_text(file.string() + ".own"));
  for (const char* command : {"eval", "ensemble", "forgetting", "neighbors"}) {
    const Printed printed = run({command, folder.string()});
    EXPECT_EQ(printed.status, 2) << command << printed.out;
    EXPECT_THAT(printed.err, HasSubstr("was changed after it was written")) << command;
  }
  fs::rename(file.string() + ".own", file);

  const fs::path alone = scratch_.path() / "alone";
  fs::copy(folder / "adapter", alone);
  fs::copy(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets" / "backbones" / "t5-nano-span" / "model.safetensors",
           backbone / "model.safetensors", fs::copy_options::overwrite_existing);
  for (const std::string& adapter : {folder.string(), alone.string()}) {
    const Printed printed = run({"export", adapter, (scratch_.path() / "exported").string(), "--format", "huggingface",
                                 "--backbone", backbone.string()});
    EXPECT_EQ(printed.status, 2) << printed.out;
    EXPECT_THAT(printed.err, HasSubstr("was trained on another backbone"));
  }
}

TEST_F(MadeFrom, SettingsAreThoseOfTheRecord) {
  const fs::path folder = trained("runs");
  const std::string config = file_text(folder / "config.yaml");
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"rank_score: sum", "rank_score: mean"},
                                                        {"max_input_tokens: 0", "max_input_tokens: 9"},
                                                        {"seed: 3", "seed: 4"}}) {
    std::string other = config;
    ASSERT_NE(other.find(from), std::string::npos) << other;
    std::ofstream(folder / "config.yaml") << other.replace(other.find(from), from.size(), to);
    for (const char* command : {"eval", "ensemble"}) {
      const Printed printed = run({command, folder.string()});
      EXPECT_EQ(printed.status, 2) << to << printed.out;
      EXPECT_THAT(printed.err, HasSubstr("config.yaml was changed after the run"));
    }
  }
  std::ofstream(folder / "config.yaml") << config;
  EXPECT_EQ(run({"eval", folder.string(), "--split", "validation", "--batch-size", "3"}).status, 0);
}

TEST_F(MadeFrom, AnOlderRecordIsAcceptedWithANote) {
  const fs::path folder = trained("runs");
  json old = record(folder);
  for (const char* key : {"file", "labels"}) old.at("task").erase(key);
  old.at("config").at("task").erase("definition");
  old.at("task")["hash"] = "";
  std::ofstream(folder / "record.json") << old.dump();
  const Printed printed = run({"eval", folder.string(), "--json"});
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.err,
              HasSubstr("an older version did not record hashes of the task's definition, the task's data"));
}

}  // namespace
}  // namespace peftbench::made_from_test
