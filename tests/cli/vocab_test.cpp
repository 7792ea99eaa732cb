// vocab, and pretrain's examples with what it makes, as a user sees them.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::vocab_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing_support::run;

class Vocab : public testing::Test {
 protected:
  // A text that was fetched: 300 documents that say how often something is counted.
  void SetUp() override {
    static const char* things[] = {"whale", "captain", "harpoon", "morning", "sailor", "island", "weather"};
    std::string lines;
    for (int i = 0; i < 300; ++i) {
      lines += "{\"text\": \"Chapter " + std::to_string(i) + "\\nThe " + things[i % 7] + " saw the " +
               things[i * i % 5] + " and " + std::to_string(i % 13) + " other " + things[(i + 3) % 7] + "s.\"}\n";
    }
    scratch_.write("data/text/voyage/documents.jsonl", lines);
  }
  int run(std::vector<std::string> words) {
    words.insert(words.end(), {"--data", (scratch_.path() / "data").string()});
    Program program(words);
    const int status = program.wait();
    out_ = program.out();
    err_ = program.err();
    return status;
  }
  std::string path(const std::string& name) const { return (scratch_.path() / name).string(); }
  Scratch scratch_;
  std::string out_, err_;
};

TEST_F(Vocab, IsTrainedOnAFetchedTextAndServesPretraining) {
  ASSERT_EQ(run({"vocab", "voyage", "--size", "90", "--out", path("model/spiece.model")}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("90 pieces"), HasSubstr("sentinels 90 to 189"), HasSubstr("600 sentences")));
  EXPECT_THAT(err_, testing::Not(HasSubstr("trainer_interface"))) << "SentencePiece itself is quiet";
  scratch_.write("small.yaml",
                 "model: {vocab_size: 192, d_model: 16, d_kv: 4, num_heads: 4, d_ff: 32, encoder_layers: 1,\n"
                 "        decoder_layers: 1, activation: relu, gated: false, tied: true, scale_logits: true}\n"
                 "vocabulary: model/spiece.model\n"
                 "text: {voyage: 1}\n"
                 "objectives: {span_corruption: 0.5, prefix_lm: 0.5}\n"
                 "lengths: {inputs: 64}\n"
                 "train: {steps: 2}\n");
  ASSERT_EQ(run({"pretrain", path("small.yaml"), "--show", "2", "--out", path("out")}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("span_corruption"), HasSubstr("prefix_lm"), HasSubstr("\ntargets: <extra_id_0>"),
                          HasSubstr("other")));
}

TEST_F(Vocab, SaysTheSameAsJson) {
  ASSERT_EQ(
      run({"vocab", path("data/text/voyage"), "--size", "80", "--sentences", "500", "--out", path("v"), "--json"}), 0)
      << err_;
  const json printed = json::parse(out_);
  EXPECT_EQ(printed["pieces"], 80);
  EXPECT_EQ(printed["documents"], 300);
  EXPECT_EQ(printed["sentences"], 600);
  EXPECT_EQ(printed["learnt_from"], 500);
  EXPECT_GT(printed["characters_per_token"], 1.0);
}

TEST_F(Vocab, MistakesSayWhatToDo) {
  EXPECT_EQ(run({"vocab", "voyages", "--size", "100", "--out", path("v")}), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("'voyages' is missing"), HasSubstr("voyage"), HasSubstr("--fetch text/voyages")));
  EXPECT_EQ(run({"vocab", "voyage", "--size", "9000", "--out", path("v")}), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("9,000 pieces"), ContainsRegex("--size [0-9]+")));
  EXPECT_EQ(run({"vocab", "voyage", "--size", "100"}), 2);
  EXPECT_THAT(err_, HasSubstr("--out"));
  EXPECT_FALSE(fs::exists(path("v")));
  scratch_.write("v", "a model");
  EXPECT_EQ(run({"vocab", "voyage", "--size", "100", "--out", path("v")}), 2);
  EXPECT_THAT(err_, HasSubstr("already exists"));
  EXPECT_EQ(file_text(path("v")), "a model");
}

}  // namespace
}  // namespace peftbench::vocab_test
