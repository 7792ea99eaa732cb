// What a run writes for other programs and for readers: inputs of its predictions, event files, cards, exports of its
// record.
#include "support/json_lines.h"
#include "support/layers.h"
#include "support/program.h"

#include "core/hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace peftbench::other_tools_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing_support::run;

std::vector<json> lines(const fs::path& file) { return json_lines(file_text(file)); }

// Runs that all tests share: they are not changed.
class OtherTools : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = new Scratch;
    task_ = write_task(*scratch_);
    ASSERT_EQ(run(words("shared")).status, 0);
  }
  static void TearDownTestSuite() { delete scratch_; }
  static std::vector<std::string> words(const std::string& out, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--set", "train.checkpoint_every=0"});
    return short_run(task_, scratch_->path() / out, more);
  }
  static std::string path(const std::string& name) { return (scratch_->path() / name).string(); }
  static fs::path shared() { return only_run(path("shared")); }
  static Scratch* scratch_;
  static fs::path task_;
};
Scratch* OtherTools::scratch_ = nullptr;
fs::path OtherTools::task_;

TEST_F(OtherTools, PredictionsKeepInputsAsAsked) {
  const std::vector<json> texts = lines(shared() / "predictions.jsonl");
  ASSERT_EQ(texts.size(), 24u);
  for (const json& line : texts) {
    EXPECT_THAT(line.at("input").get<std::string>(), StartsWith("number: "));
    EXPECT_THAT(line.at("input").get<std::string>(), HasSubstr(" number "));
  }
  for (const std::string kept : {"hash", "none"}) {
    ASSERT_EQ(run(words(kept, {"--set", "eval.keep_inputs=" + kept})).status, 0);
    const fs::path other = only_run(path(kept));
    EXPECT_EQ(other.filename(), shared().filename());  // it is no part of the id
    EXPECT_EQ(file_text(other / "adapter/adapter.safetensors"), file_text(shared() / "adapter/adapter.safetensors"));
    const std::vector<json> without = lines(other / "predictions.jsonl");
    ASSERT_EQ(without.size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      json expected = texts[i];
      const std::string text = expected.at("input");
      expected.erase("input");
      if (kept == "hash") expected["input_hash"] = sha256(text);
      EXPECT_EQ(without[i], expected);
    }
    // Files with and without are scored alike, and a finished run says how its own are.
    const auto scores = [](const fs::path& folder) {
      const Printed printed =
          run({"score", (folder / "predictions.jsonl").string(), "--task", task_.string(), "--json"});
      EXPECT_EQ(printed.status, 0) << printed.err;
      json scored = json::parse(printed.out);
      for (json& file : scored) file.erase("file");
      return scored;
    };
    EXPECT_EQ(scores(other), scores(shared()));
  }
  const Printed again = run(words("hash"));
  EXPECT_EQ(again.status, 0);
  EXPECT_THAT(again.err, AllOf(HasSubstr("eval.keep_inputs=hash"), HasSubstr("--again writes them with text")));
  EXPECT_THAT(run(words("shared")).err, Not(HasSubstr("keep_inputs")));
}

TEST_F(OtherTools, WhatScoresAgainKeepsInputsToo) {
  ASSERT_EQ(run({"eval", shared().string(), "--predictions", path("eval.jsonl")}).status, 0);
  ASSERT_EQ(run({"ensemble", shared().string(), "--predictions", path("votes.jsonl")}).status, 0);
  const std::vector<json> own = lines(shared() / "predictions.jsonl");
  for (const char* name : {"eval.jsonl", "votes.jsonl"}) {
    const std::vector<json> others = lines(path(name));
    ASSERT_EQ(others.size(), own.size()) << name;
    for (std::size_t i = 0; i < own.size(); ++i) EXPECT_EQ(others[i].at("input"), own[i].at("input")) << name;
  }
}

TEST_F(OtherTools, AnEventFileIsWrittenIfAsked) {
  const fs::path file = shared() / "events.out.tfevents.peft-bench";
  EXPECT_FALSE(fs::exists(file));
  const Printed out = run({"export", shared().string(), path("board"), "--format", "tensorboard", "--json"});
  ASSERT_EQ(out.status, 0) << out.err;
  const fs::path exported = json::parse(out.out).at("file").get<std::string>();
  EXPECT_THAT(file_text(exported),
              AllOf(HasSubstr("brain.Event:2"), HasSubstr("train/loss"), HasSubstr("validation/accuracy")));
  ASSERT_EQ(run(words("live", {"--set", "log.tensorboard=true"})).status, 0);
  const fs::path live = only_run(path("live"));
  EXPECT_EQ(live.filename(), shared().filename());
  EXPECT_EQ(file_text(live / "log.jsonl"), file_text(shared() / "log.jsonl"));
  EXPECT_EQ(file_text(live / file.filename()).size(), file_text(exported).size());
}

TEST_F(OtherTools, ARecordIsExportedOnce) {
  const Printed out = run({"export", shared().string(), path("run.json"), "--format", "eee"});
  ASSERT_EQ(out.status, 0) << out.err;
  EXPECT_THAT(out.out, StartsWith("wrote "));
  const json exported = json::parse(file_text(path("run.json"))),
             record = json::parse(file_text(shared() / "record.json"));
  EXPECT_EQ(exported.at("evaluation_results").at(0).at("score_details").at("score"),
            record.at("metrics").at(0).at("value"));
  for (const std::string format : {"eee", "tensorboard"}) {
    const Printed twice = run({"export", shared().string(), path("run.json"), "--format", format});
    EXPECT_EQ(twice.status, 2);
    EXPECT_THAT(twice.err, AllOf(HasSubstr("already exists"), HasSubstr("choose another path")));
  }
  json failed = record;
  failed["status"] = "failed";
  scratch_->write("failed/record.json", failed.dump());
  const Printed refused = run({"export", path("failed"), path("x.json"), "--format", "eee"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("has not finished"));
  EXPECT_FALSE(fs::exists(path("x.json")));
}

TEST_F(OtherTools, AnAdapterHasACardThatIsNotWrittenOverAnotherOnes) {
  const std::string card = file_text(shared() / "adapter/README.md");
  EXPECT_THAT(card, AllOf(StartsWith("---\nbase_model: \"t5-nano-lm\"\nlibrary_name: \"peft-bench\"\n"),
                          HasSubstr("# prompt_tuning on parity"), HasSubstr("## Scores"),
                          HasSubstr("| parity | test |"), Not(HasSubstr(scratch_->path().string()))));
  ASSERT_EQ(run({"export", shared().string(), path("peft"), "--format", "huggingface"}).status, 0);
  EXPECT_THAT(file_text(path("peft") + "/README.md"),
              AllOf(HasSubstr("library_name: \"peft\""), HasSubstr("## Scores")));
  ASSERT_EQ(run({"import", path("peft"), "--backbone", "t5-nano-lm", "--out", path("imported")}).status, 0);
  EXPECT_THAT(file_text(path("imported") + "/README.md"),
              AllOf(HasSubstr("# prompt_tuning\n"), Not(HasSubstr("Scores"))));
  ASSERT_EQ(run({"export", shared().string(), path("array.npy"), "--format", "google"}).status, 0);
  EXPECT_FALSE(fs::is_directory(path("array.npy")));

  fs::copy(path("shared"), path("carded"), fs::copy_options::recursive);
  const fs::path copy = only_run(path("carded"));
  fs::remove(copy / "record.json");  // the run writes its adapter again
  std::ofstream(copy / "adapter/README.md") << "my own words\n";
  const Printed kept = run(words("carded"));
  ASSERT_EQ(kept.status, 0) << kept.err;
  EXPECT_THAT(kept.err, HasSubstr("was not written by peft-bench, and stays as it is"));
  EXPECT_EQ(file_text(copy / "adapter/README.md"), "my own words\n");
  fs::remove(copy / "record.json");
  fs::copy_file(shared() / "adapter/README.md", copy / "adapter/README.md", fs::copy_options::overwrite_existing);
  ASSERT_EQ(run(words("carded")).status, 0);
  EXPECT_EQ(file_text(copy / "adapter/README.md"), card);
}

TEST_F(OtherTools, AMergedModelHasACard) {
  std::vector<std::string> lora = {
      "--method",   "lora",   "--task", task_.string(), "--backbone", "t5-nano-lm", "--out",
      path("lora"), "--seed", "4",      "--threads",    "1",          "--steps",    "2"};
  for (const char* setting : {"train.batch_size=4", "train.evaluate_every=0", "train.evaluate_at_start=false",
                              "train.validation_limit=2", "eval.examples=2"})
    lora.insert(lora.end(), {"--set", setting});
  ASSERT_EQ(run(lora).status, 0);
  const Printed out = run({"export", only_run(path("lora")).string(), path("merged"), "--format", "merged"});
  ASSERT_EQ(out.status, 0) << out.err;
  EXPECT_THAT(file_text(path("merged") + "/README.md"),
              AllOf(HasSubstr("library_name: \"transformers\""), HasSubstr("merged into its weights")));
}

}  // namespace
}  // namespace peftbench::other_tools_test
