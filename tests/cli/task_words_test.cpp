// What a vocabulary and the limits make of a task of the user's own, and files that are no tasks.
#include "cli/own_task.h"
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::task_words_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing_support::run;

TEST(OwnTask, ALabelWordThatWouldBeCutIsRefused) {
  const Scratch scratch;
  scratch.write("reviews.csv", reviews());
  const fs::path file = scratch.write(
      "reviews.yaml", replaced(replaced(task_yaml(), "words: [bad, good]", "words: [bad, unbelievably good]"),
                               "labels: [bad, good]", "labels: [bad, unbelievably good]\nlimits: {target: 3}"));
  const Printed printed = run(short_run(file, scratch.path() / "runs"));
  EXPECT_EQ(printed.status, 2) << printed.out;
  EXPECT_THAT(printed.err, AllOf(HasSubstr("reviews.yaml: a label word exceeds the target length limit"),
                                 HasSubstr("'unbelievably good'"), HasSubstr("at most 3"),
                                 HasSubstr("--set task.max_target_tokens=")));
}

// S2: they would be scored as one, whatever was learnt.
TEST(OwnTask, LabelWordsThatAreOneToTheModelAreRefusedBeforeTraining) {
  const Scratch scratch;
  scratch.write("reviews.csv", reviews());
  const auto task_of = [&](const std::string& bad, const std::string& good) {
    return scratch.write("reviews.yaml", replaced(replaced(task_yaml(), "[bad, good]", "[" + bad + ", " + good + "]"),
                                                  "labels: [bad, good]", "labels: [" + bad + ", " + good + "]"));
  };
  const fs::path out = scratch.path() / "runs";
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--dry-run"}}) {
    const Printed printed = run(short_run(task_of("否", "是"), out, more));
    EXPECT_EQ(printed.status, 2) << printed.out;
    EXPECT_THAT(printed.err, AllOf(HasSubstr("two label words are identical to the model"), HasSubstr("'否' (U+5426)"),
                                   HasSubstr("'是' (U+662F)"), ContainsRegex("ids \\[[0-9, ]+\\]")));
  }
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--dry-run"}}) {
    const Printed printed = run(short_run(task_of("否", "good"), out, more));
    EXPECT_EQ(printed.status, 0) << printed.err;
    EXPECT_THAT(printed.out, HasSubstr("the vocabulary covers no part of the label word '否'"));
  }
}

// S15, S19, S3: what an average would hide is said before and after training.
TEST(OwnTask, WhatIsCutOrMissingIsSaid) {
  const Scratch scratch;
  std::string rows = "text,question,label\n", texts = "text,answer\n";
  for (int i = 0; i < 60; ++i) {
    std::string words;
    for (int w = 0; w < 40; ++w) words += "word" + std::to_string(w) + " ";
    rows += words + std::to_string(i) + ",who?," + (i % 2 ? "odd" : "even") + "\n";
    texts += "number " + std::to_string(i) + ",\"the { answer is " + words + "\"\n";
  }
  scratch.write("rows.csv", rows);
  scratch.write("texts.csv", texts);
  const fs::path file =
      scratch.write("rows.yaml",
                    "source: rows.csv\ninput: \"{text} {question}\"\ntarget: \"{label}\"\nlabels: [odd, even, never]\n"
                    "limits: {input: 32, target: 6}\n");
  const Printed shown = run({"tasks", file.string(), "--backbone", "t5-nano-lm"});
  ASSERT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out,
              AllOf(ContainsRegex("odd: [0-9]+ train, [0-9] validation, [0-9] test"),
                    HasSubstr("never: 0 train, 0 validation, 0 test"), HasSubstr("no row has the label word 'never'"),
                    HasSubstr("48 of 48 train inputs are truncated at the limit of 32 tokens"),
                    HasSubstr("48 of 48 train inputs lose all of the field 'question'")));
  const json described = json::parse(run({"tasks", file.string(), "--json"}).out);
  EXPECT_EQ(described.at("label_counts").at("never").at("train"), 0);
  EXPECT_EQ(described.at("texts").at("test").at("inputs_cut"), 6);
  const Printed trained = run(short_run(file, scratch.path() / "runs"));
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_THAT(trained.out, AllOf(HasSubstr("no example of 'never' in training"),
                                 HasSubstr("48 of 48 training inputs lose all of the field 'question'"),
                                 HasSubstr("6 of 6 test inputs lose all of the field 'question'")));
  const json record = json::parse(file_text(only_run(scratch.path() / "runs") / "record.json"));
  EXPECT_EQ(record.at("texts").at("test").at("fields_lost").at("question"), 6);
  EXPECT_EQ(record.at("labels").size(), 3u);
  EXPECT_EQ(record.at("labels").at(2).at("train"), 0);
  EXPECT_EQ(record.at("confusion").size(), 3u);
  const fs::path free = scratch.write("texts.yaml", "source: texts.csv\ninput: \"{text}\"\ntarget: \"{answer}\"\n");
  const Printed free_text = run({"tasks", free.string(), "--backbone", "t5-nano-lm"});
  EXPECT_THAT(free_text.out, AllOf(ContainsRegex("6 of 6 test targets are truncated at the limit of 62 tokens"),
                                   HasSubstr("--set task.max_target_tokens="),
                                   HasSubstr("the vocabulary cannot write 6 of the 6 test targets")));
  const Printed scored = run(short_run(free, scratch.path() / "free"));
  ASSERT_EQ(scored.status, 0) << scored.err;
  EXPECT_THAT(scored.out,
              AllOf(HasSubstr("6 of 6 test targets are truncated"), HasSubstr("the vocabulary cannot write 6")));
}

TEST(OwnTask, WhatIsNoTaskSaysHowToWriteOne) {
  const Scratch scratch;
  const fs::path data = scratch.write("reviews.csv", reviews());
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"tasks", data.string()}, {"--method", "lora", "--task", data.string(), "--dry-run"}}) {
    const Printed printed = run(words);
    EXPECT_EQ(printed.status, 2);
    EXPECT_THAT(printed.err, AllOf(HasSubstr("is a data file, not a task"), HasSubstr("source: reviews.csv"),
                                   HasSubstr("docs/tasks.md")));
  }
  const Printed missing = run({"tasks", (scratch.path() / "movie_sentimant.yaml").string()});
  EXPECT_EQ(missing.status, 2);
  EXPECT_THAT(missing.err, AllOf(HasSubstr("there is no task file"), HasSubstr("did you mean 'movie_sentiment'"),
                                 HasSubstr("docs/tasks.md")));
}

}  // namespace
}  // namespace peftbench::task_words_test
