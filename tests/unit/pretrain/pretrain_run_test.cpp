#include "pretrain/pretrain_run.h"
#include "support/layers.h"

#include "core/interrupt.h"
#include "pretrain/run_folder.h"
#include "texts.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::pretrain_run_test {

using namespace layers;

namespace {

using namespace testing_support;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Notes final : public ProgressSink {
 public:
  void update(const Progress& progress) override { phases.push_back(progress.phase); }
  void note(const std::string& line) override { notes.push_back(line); }
  std::vector<std::string> phases, notes;
};

class PretrainRun : public testing::Test {
 protected:
  void SetUp() override {
    scratch_.write("data/text/sea/documents.jsonl", jsonl(0, 200));
    const fs::path vocabulary = fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model";
    const fs::path file =
        scratch_.write("small.yaml",
                       "model: {vocab_size: 8192, d_model: 8, d_kv: 4, num_heads: 2, d_ff: 16, encoder_layers: 1,\n"
                       "        decoder_layers: 1, activation: relu, gated: false, tied: true, scale_logits: true}\n"
                       "vocabulary: " +
                           vocabulary.string() +
                           "\n"
                           "text: {sea: 1}\nobjectives: {prefix_lm: 1}\nlengths: {inputs: 32}\ntokens: 64\n"
                           "held_out: {documents: 0.1, examples: 4}\nsnapshots: {half: 0.5}\n"
                           "train: {steps: 4, threads: 1}\n");
    request_ = {{PEFTBENCH_TEST_SOURCE_DIR, scratch_.path() / "data", {}},
                read_pretrain_config(file),
                scratch_.path() / "out",
                false,
                {}};
  }
  Scratch scratch_;
  PretrainRequest request_;
  Notes notes_;
};

TEST_F(PretrainRun, StopsWhileItPreparesWhatItReads) {
  int asked = 0;
  request_.stop = [&] { return ++asked > 1; };
  EXPECT_THROW(pretrain_in(request_, notes_), Interrupted);
  EXPECT_FALSE(fs::exists(request_.out / "checkpoint")) << "it had not begun to train";
  asked = 0;
  EXPECT_THROW(first_examples(request_, 1, notes_), Interrupted);
  request_.stop = {};
  EXPECT_EQ(first_examples(request_, 3, notes_).size(), 3u);
}

TEST_F(PretrainRun, KeepsCardsWithTheTokensOfTheirStep) {
  request_.config.train.evaluate_every = 0;  // none falls on the snapshot's step
  const PretrainOutcome outcome = pretrain_in(request_, notes_);
  const std::string half = read_text(request_.out / "half" / "README.md");
  EXPECT_THAT(half, AllOf(HasSubstr("| tokens seen | "), Not(HasSubstr("| tokens seen | 0,"))));
  EXPECT_THAT(read_text(outcome.model / "README.md"),
              HasSubstr("| tokens seen | " + std::to_string(outcome.result.tokens)));
}

TEST_F(PretrainRun, TheCheckNamesTextsThatAreNotThere) {
  EXPECT_TRUE(missing_sources(request_).recipes.empty());
  request_.config.text.push_back({"lakes", 1});
  EXPECT_THAT(missing_sources(request_).recipes, ElementsAre("text/lakes"));
  EXPECT_TRUE(missing_sources(request_).brought.empty());
  request_.config.sizes.vocab_size = 8000;
  EXPECT_THROW(missing_sources(request_), ConfigError);
}

TEST(PretrainFolder, LosesNothingButWhatWasNotFinished) {
  Scratch scratch;
  PretrainConfig config;
  config.name = "tiny";
  config.snapshots = {{"half", 2}};
  for (const char* place : {"", "checkpoint/", "tiny/", "half/"}) {
    scratch.write(std::string("out/") + place + "model.safetensors.tmp-12-0", "");
    scratch.write(std::string("out/") + place + "notes.tmp-mine", "");
  }
  remove_unfinished_files(scratch.path() / "out", config);
  for (const char* place : {"", "checkpoint/", "tiny/", "half/"}) {
    EXPECT_FALSE(fs::exists(scratch.path() / "out" / place / "model.safetensors.tmp-12-0")) << place;
    EXPECT_TRUE(fs::exists(scratch.path() / "out" / place / "notes.tmp-mine")) << place;
  }
}

TEST(PretrainFolder, NamesTheSettingsThatDiffer) {
  Scratch scratch;
  const nlohmann::json before = {{"config", {{"tokens", 64}, {"train", {{"seed", 1}, {"steps", 4}}}}}, {"start", "a"}};
  const fs::path file = scratch.write("config.json", before.dump());
  nlohmann::json now = before;
  now["vocabulary"] = now["sources"] = nullptr;
  EXPECT_NO_THROW(refuse_other_settings(file, now));
  now["config"]["train"]["steps"] = 8;
  now["config"]["more"] = true;
  now["start"] = "b";
  try {
    refuse_other_settings(file, now);
    FAIL() << "other settings were taken";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("train.steps: 4, now 8"), HasSubstr("more: nothing, now true"),
                                    HasSubstr("the initial weights"), HasSubstr("--again"), Not(HasSubstr("seed")),
                                    Not(HasSubstr("vocabulary"))));
  }
}

}  // namespace
}  // namespace peftbench::pretrain_run_test
