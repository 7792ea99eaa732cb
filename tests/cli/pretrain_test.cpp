// pretrain as a user meets it: what it finds, what it refuses, and what it does with a folder of an earlier call.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace peftbench::pretrain_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::run;

const std::string sizes =
    "model: {vocab_size: 192, d_model: 16, d_kv: 4, num_heads: 4, d_ff: 32, encoder_layers: 1,\n"
    "        decoder_layers: 1, activation: relu, gated: false, tied: true, scale_logits: true}\n"
    "vocabulary: spiece.model\n";
const std::string rest =
    "objectives: {span_corruption: 1}\nlengths: {inputs: 32}\ntokens: 64\nheld_out: {documents: 0.1, examples: 4}\n"
    "train: {steps: 4, checkpoint_every: 2, evaluate_every: 2}\n";

class Pretrain : public testing::Test {
 protected:
  void SetUp() override {
    std::string lines;
    for (int i = 0; i < 300; ++i)
      lines += "{\"text\": \"Chapter " + std::to_string(i) + "\\nThe whale saw the captain and " +
               std::to_string(i % 13) + " other sailors in the morning.\"}\n";
    scratch_.write("data/text/voyage/documents.jsonl", lines);
    ASSERT_EQ(run({"vocab", "voyage", "--size", "60", "--out", path("spiece.model")}), 0) << err_;
  }
  int run(std::vector<std::string> words) {
    words.insert(words.end(), {"--data", path("data")});
    Program program(words);
    const int status = program.wait();
    out_ = program.out();
    err_ = program.err();
    return status;
  }
  int train(const std::string& text, std::vector<std::string> more = {}) {
    scratch_.write("small.yaml", text);
    std::vector<std::string> words = {"pretrain", path("small.yaml"), "--out", path("out"), "--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  std::string path(const std::string& name) const { return (scratch_.path() / name).string(); }
  Scratch scratch_;
  std::string out_, err_;
};

TEST_F(Pretrain, DryRunFindsWhatItNeeds) {
  const std::string text = "text: {voyage: 1}\n";
  ASSERT_EQ(train(sizes + text + rest + "snapshots: {half: 0.5}\n", {"--dry-run", "--steps", "12"}), 0) << err_;
  EXPECT_EQ(json::parse(out_)["snapshots"]["half"], 6);
  EXPECT_EQ(err_, "");
  ASSERT_EQ(train(sizes + "text: {voyages: 1}\n" + rest, {"--dry-run"}), 0) << err_;
  EXPECT_THAT(err_, HasSubstr("--fetch text/voyages"));
  std::string mixed = rest;
  mixed.replace(mixed.find("span_corruption: 1"), 18, "tasks: {tasks: [mine.yaml, antonym]}");
  scratch_.write("mine.yaml",
                 "name: mine\nsource: mine.csv\ninput: \"{a}\"\ntarget: \"{b}\"\nmetrics: [exact_match]\n"
                 "split: {seed: 0, validation: 1, test: 1}\n");
  ASSERT_EQ(train(sizes + mixed, {"--dry-run"}), 0) << err_;
  EXPECT_THAT(err_, AllOf(HasSubstr("--fetch supervised/antonym\n"), HasSubstr("that you must provide: mine")));
  EXPECT_EQ(train("model: {from: ../nowhere}\n" + text + rest, {"--dry-run"}), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("small.yaml:1"), HasSubstr("../nowhere")));
  std::string other = sizes;
  other.replace(other.find("spiece.model"), 12, "other.model!");
  EXPECT_EQ(train(other + text + rest, {"--dry-run"}), 2);
  EXPECT_THAT(err_, HasSubstr("peft-bench vocab"));
  std::string tasks = rest;
  tasks.replace(tasks.find("span_corruption: 1"), 18, "tasks: {tasks: [antonyms]}");
  EXPECT_EQ(train(sizes + tasks, {"--dry-run"}), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("small.yaml:"), HasSubstr("unknown task 'antonyms'"), HasSubstr("antonym")));
  scratch_.write("mixed.yaml", "mixture: {tasks: [movie_sentiment]}\n");
  tasks.replace(tasks.find("antonyms"), 8, "mixed.yaml");
  EXPECT_EQ(train(sizes + tasks, {"--dry-run"}), 2);
  EXPECT_THAT(err_, HasSubstr("the mixture contains a mixture"));
}

TEST_F(Pretrain, GoesOnFromAModelBesideItsFile) {
  const std::string text = sizes + "text: {voyage: 1}\n" + rest;
  ASSERT_EQ(train(text, {"--seed", "3"}), 0) << err_;
  EXPECT_THAT(file_text(path("out/small/README.md")), HasSubstr("small.yaml --seed 3`"));
  scratch_.write("next.yaml", "model: {from: out/small, note: four steps}\ntext: {voyage: 1}\n" + rest);
  ASSERT_EQ(run({"pretrain", path("next.yaml"), "--out", path("next")}), 0) << err_;
  EXPECT_THAT(file_text(path("next/next/README.md")),
              AllOf(HasSubstr("`out/small`: four steps"), HasSubstr("\n## small\n")));
}

TEST_F(Pretrain, AnEarlierRunIsCompletedOrRefused) {
  const std::string text = sizes + "text: {voyage: 1}\n" + rest;
  ASSERT_EQ(train(text), 0) << err_;
  const std::string settings = file_text(path("out/config.json")),
                    weights = file_text(path("out/small/model.safetensors"));
  // Other settings: named, with the way out, and nothing is written over.
  EXPECT_EQ(train(text, {"--seed", "9"}), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("train.seed: "), HasSubstr(", now 9"), HasSubstr("--again"), HasSubstr("--out")));
  EXPECT_THAT(err_, Not(HasSubstr("tokens:")));
  EXPECT_EQ(file_text(path("out/config.json")), settings);
  // A model that was deleted comes back, and what a killed process left goes.
  fs::remove_all(path("out/small"));
  scratch_.write("out/checkpoint/train.safetensors.tmp-77-1", "half");
  ASSERT_EQ(train(text), 0) << err_;
  EXPECT_EQ(file_text(path("out/small/model.safetensors")), weights);
  EXPECT_FALSE(fs::exists(path("out/checkpoint/train.safetensors.tmp-77-1")));
  // hostile 3, 7: and one that is damaged.
  std::string damaged = weights;
  damaged[damaged.size() - 5] ^= 1;
  scratch_.write("out/small/model.safetensors", damaged);
  ASSERT_EQ(train(text), 0) << err_;
  EXPECT_EQ(file_text(path("out/small/model.safetensors")), weights);
  // Another precision is stored; a snapshot cannot be had any more.
  ASSERT_EQ(train(text + "precision: {stored: float32}\nsnapshots: {half: 0.5}\n"), 0) << err_;
  EXPECT_EQ(json::parse(file_text(path("out/small/config.json")))["dtype"], "float32");
  EXPECT_GT(file_text(path("out/small/model.safetensors")).size(), 3 * weights.size() / 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("'half' of step 2"), HasSubstr("--again")));
}

TEST_F(Pretrain, ATaskWithoutExamplesIsNamed) {
  scratch_.write("task.csv", "word,answer\n");
  scratch_.write("empty.yaml", "source: task.csv\ninput: \"word: {word}\"\ntarget: \"{answer}\"\nlabels: [one, two]\n");
  std::string tasks = rest;
  tasks.replace(tasks.find("span_corruption: 1"), 18, "tasks: {tasks: [" + path("empty.yaml") + "]}");
  EXPECT_EQ(train(sizes + tasks), 2);
  EXPECT_THAT(err_, HasSubstr("empty"));
}

}  // namespace
}  // namespace peftbench::pretrain_test
