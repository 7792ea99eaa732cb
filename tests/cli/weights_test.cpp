// Weights, adapters and vocabularies that are not as they should be, as a user sees it.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstring>

namespace peftbench::weights_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::run;

constexpr const char* wo = "encoder.block.1.layer.1.DenseReluDense.wo.weight";

// Overwrites the first element of a tensor with the bytes given.
void patch(const fs::path& file, const std::string& tensor, const std::string& bytes) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  std::uint64_t size = 0;
  stream.read(reinterpret_cast<char*>(&size), sizeof size);
  std::string header(size, '\0');
  stream.read(header.data(), static_cast<std::streamsize>(size));
  const auto begin = json::parse(header).at(tensor).at("data_offsets").at(0).get<std::uint64_t>();
  stream.seekp(static_cast<std::streamoff>(8 + size + begin));
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

const std::string bf16_infinity("\x80\x7f", 2), bf16_nan("\xc0\x7f", 2), fp32_infinity("\x00\x00\x80\x7f", 4);

class Weights : public testing::Test {
 protected:
  Weights() : task_(write_task(scratch_)), model_(scratch_.path() / "model") {
    fs::copy(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm", model_);
    fs::permissions(model_, fs::perms::owner_all, fs::perm_options::add);
  }
  std::vector<std::string> words(const std::string& method, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> result = {"--method",   method,
                                       "--task",     task_.string(),
                                       "--backbone", model_.string(),
                                       "--out",      (scratch_.path() / "runs").string(),
                                       "--threads",  "1"};
    result.insert(result.end(), more.begin(), more.end());
    return result;
  }
  Printed forward(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"forward",
                                    "--backbone",
                                    model_.string(),
                                    "--input-ids",
                                    scratch_.write("ids.json", "[[12, 7, 1], [5, 1]]").string(),
                                    "--labels",
                                    scratch_.write("labels.json", "[[9, 1], [4, 1]]").string(),
                                    "--output",
                                    (scratch_.path() / "out.safetensors").string()};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
  Scratch scratch_;
  fs::path task_, model_;
};

// S1
TEST_F(Weights, NumbersThatAreNotFiniteBecomeNoScore) {
  for (const std::string& value : {bf16_infinity, bf16_nan}) {
    patch(model_ / "model.safetensors", wo, value);
    const std::string census = std::string(wo) + " of the backbone holds 1 " + (value == bf16_nan ? "NaN" : "inf");
    const Printed scored = run(words("prompt_design"));
    EXPECT_EQ(scored.status, 1) << scored.out;
    EXPECT_THAT(scored.out, Not(HasSubstr("accuracy")));
    EXPECT_THAT(scored.err, AllOf(HasSubstr(census), HasSubstr("example"), HasSubstr("parity"), HasSubstr("download")));
    const Printed passed = forward();
    EXPECT_EQ(passed.status, 1);
    EXPECT_THAT(passed.err, AllOf(HasSubstr(census), HasSubstr("row 0 of ")));
    EXPECT_FALSE(fs::exists(scratch_.path() / "out.safetensors"));
    const Printed trained = run(words("lora", {"--steps", "2", "--set", "train.evaluate_at_start=false"}));
    EXPECT_EQ(trained.status, 1);
    EXPECT_THAT(trained.err, AllOf(HasSubstr(census), Not(HasSubstr("learning_rate"))));
    for (const auto& each : fs::directory_iterator(scratch_.path() / "runs"))
      EXPECT_EQ(json::parse(file_text(each.path() / "record.json")).at("status"), "failed");
  }
}

// S1
TEST_F(Weights, TheLastUpdateAndAnAdapterAreLookedAt) {
  const std::vector<std::string> short_words = {"--steps", "1", "--set", "length=4", "--set", "train.optimizer=adamw"};
  for (const char* rate : {"3e37", "1e38"}) {
    std::vector<std::string> more = short_words;
    more.insert(more.end(),
                {"--set", std::string("train.learning_rate=") + rate, "--seed", rate[0] == '3' ? "3" : "1"});
    const Printed diverged = run(words("prompt_tuning", more));
    EXPECT_EQ(diverged.status, 1) << diverged.out;
    EXPECT_THAT(diverged.err, AllOf(HasSubstr("training diverged"), HasSubstr("lower train.learning_rate")));
  }
  fs::remove_all(scratch_.path() / "runs");
  ASSERT_EQ(run(words("prompt_tuning", short_words)).status, 0);
  // Without the hashes that would tell a damaged file before.
  const fs::path adapter = scratch_.path() / "adapter";
  fs::copy(only_run(scratch_.path() / "runs") / "adapter", adapter);
  json description = json::parse(file_text(adapter / "adapter.json"));
  for (const char* key : {"adapter_hash", "description_hash"}) description.erase(key);
  scratch_.write("adapter/adapter.json", description.dump());
  patch(adapter / "adapter.safetensors", "encoder.input.prompt", fp32_infinity);
  const Printed passed =
      forward({"--adapter", adapter.string(), "--groups", scratch_.write("g.json", "[-1, 0]").string()});
  EXPECT_EQ(passed.status, 1);
  EXPECT_THAT(passed.err, AllOf(HasSubstr("row 1 of "), HasSubstr("encoder.input.prompt of prompt_tuning"),
                                HasSubstr("holds 1 inf")));
}

// hostile 12: bf16 weights are used where they are mapped.
TEST_F(Weights, AFileThatChangesUnderARunIsNamed) {
  const std::vector<std::string> long_run = {"--steps", "100000",
                                             "--set",   "length=4",
                                             "--set",   "backbone.precision=bfloat16",
                                             "--set",   "backbone.backend=reference",  // fast keeps copies
                                             "--set",   "train.evaluate_every=0"};
  const fs::path file = model_ / "model.safetensors";
  {
    Program program(words("prompt_tuning", long_run));
    const auto begun = [&] {
      const fs::path runs = scratch_.path() / "runs";
      return fs::exists(runs) && !fs::is_empty(runs) && fs::exists(only_run(runs) / "log.jsonl") &&
             fs::file_size(only_run(runs) / "log.jsonl") > 0;
    };
    while (program.running() && !begun()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    fs::resize_file(file, 8192);
    EXPECT_EQ(program.wait(), 1);
    EXPECT_THAT(program.err(), AllOf(HasSubstr("which was truncated"), HasSubstr(file.string())));
  }
  fs::copy_file(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/model.safetensors", file,
                fs::copy_options::overwrite_existing);
  std::vector<std::string> some = long_run;
  some[1] = "60";
  Program program(words("prompt_tuning", some));
  const auto log = [&] {
    for (const auto& each : fs::directory_iterator(scratch_.path() / "runs"))
      if (fs::exists(each.path() / "log.jsonl") &&
          file_text(each.path() / "config.yaml").find("steps: 60\n") != std::string::npos &&
          fs::file_size(each.path() / "log.jsonl") > 0)
        return true;
    return false;
  };
  while (program.running() && !log()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_TRUE(program.running()) << program.err();
  patch(file, wo, std::string("\x00\x3f", 2));
  EXPECT_EQ(program.wait(), 1);
  EXPECT_THAT(program.err(), AllOf(HasSubstr("a file changed while it was in use"), HasSubstr(file.string()),
                                   Not(HasSubstr("report it to its author"))));
}

// S6, S13
TEST_F(Weights, TheVocabularyIsTheBackbones) {
  std::ofstream(model_ / "added_tokens.json") << R"({"<hl>": 8100})";
  EXPECT_EQ(run(words("prompt_design", {"--set", "eval.examples=2"})).status, 0);
  std::ofstream(model_ / "added_tokens.json") << R"({"<hl>": 9000})";
  const Printed other = run(words("prompt_design", {"--set", "eval.examples=2"}));
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, AllOf(HasSubstr("added_tokens.json"), HasSubstr("8100: transformers")));
  fs::remove(model_ / "added_tokens.json");
  std::ofstream(model_ / "generation_config.json") << R"({"eos_token_id": 7, "decoder_start_token_id": 0})";
  const Printed end = run(words("prompt_design", {"--set", "eval.examples=2"}));
  EXPECT_EQ(end.status, 2);
  EXPECT_THAT(end.err, AllOf(HasSubstr("does not belong to this backbone"), HasSubstr("eos_token_id 7")));
}

}  // namespace
}  // namespace peftbench::weights_test
