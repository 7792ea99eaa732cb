#include "pretrain/config.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <unistd.h>
#include <string>

namespace peftbench::config_test {

using namespace layers;

namespace {

const std::string whole = R"(summary: a tiny one
model: {vocab_size: 512, d_model: 64, d_kv: 16, num_heads: 4, d_ff: 128, encoder_layers: 2, decoder_layers: 3,
        activation: gelu_tanh, gated: true, tied: true, scale_logits: true}
vocabulary: spiece.model
text: {sotu: 2, austen: 0.5}
objectives:
  span_corruption: {share: 3, noise_density: 0.2, mean_noise_span_length: 2}
  prefix_lm: 1
  tasks: {share: 4, tasks: [a, b], rate: {temperature: 2}, cap: 9}
lengths: {inputs: 64}
tokens: 1024
precision: {compute: bfloat16, stored: float32}
snapshots: {half: 0.5, early: 10}
train: {steps: 200, optimizer: adamw, adamw: {beta2: 0.98}, adamw.weight_decay: 0}
)";

PretrainConfig read(const std::string& text, std::optional<std::int64_t> steps = {}) {
  // Tests run at once, each in a process of its own.
  const fs::path folder = fs::path(::testing::TempDir()) / ("peftbench_config_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  write_atomically(folder / "tiny.yaml", text);
  return read_pretrain_config(folder / "tiny.yaml", steps);
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(PretrainConfig, ReadsAllOfIt) {
  const PretrainConfig config = read(whole);
  EXPECT_EQ(config.name, "tiny");
  EXPECT_EQ(config.sizes.decoder_layers, 3);
  EXPECT_EQ(config.sizes.activation, Activation::gelu_tanh);
  ASSERT_EQ(config.text.size(), 2u);
  EXPECT_EQ(config.text[1].weight, 0.5);
  EXPECT_DOUBLE_EQ(config.shares.span_corruption, 3.0 / 8);
  EXPECT_DOUBLE_EQ(config.shares.prefix_lm, 1.0 / 8);
  EXPECT_DOUBLE_EQ(config.shares.tasks, 4.0 / 8);
  EXPECT_EQ(config.noise_density, 0.2);
  EXPECT_EQ(config.mixture.names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config.mixture.policy.kind, MixturePolicy::Kind::proportional);
  EXPECT_EQ(config.mixture.policy.cap, 9);
  EXPECT_EQ(config.mixture.policy.temperature, 2);
  EXPECT_EQ(config.compute, Precision::bfloat16);
  EXPECT_EQ(config.stored, Precision::float32);
  ASSERT_EQ(config.snapshots.size(), 2u);
  EXPECT_EQ(config.snapshots[0].name, "early");  // by step
  EXPECT_EQ(config.snapshots[1].step, 100);
  EXPECT_EQ(config.train.adamw.beta2, 0.98);
  EXPECT_EQ(config.train.adamw.weight_decay, 0);
}

TEST(PretrainConfig, BeginsWithT5sOwnOptimizer) {
  const PretrainConfig config = read(whole.substr(0, whole.find("train:")));
  EXPECT_EQ(config.train.optimizer, OptimizerKind::adafactor);
  EXPECT_EQ(config.train.schedule, ScheduleKind::inverse_sqrt);
  EXPECT_TRUE(config.train.adafactor.multiply_by_parameter_scale);
  EXPECT_EQ(config.train.dropout, 0);
}

TEST(PretrainConfig, SnapshotsFollowTheStepsOfTheCommand) {
  const PretrainConfig config = read(whole, 40);
  EXPECT_EQ(config.train.steps, 40);
  ASSERT_EQ(config.snapshots.size(), 2u);
  EXPECT_EQ(config.snapshots[1].name, "half");
  EXPECT_EQ(config.snapshots[1].step, 20);
  EXPECT_EQ(read(replaced(whole, ", early: 10", ""), 2).snapshots.front().step, 1);
  try {
    read(whole, 8);
    FAIL() << "a snapshot after the end";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("tiny.yaml:13"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("before 8"), std::string::npos) << error.what();
  }
}

TEST(PretrainConfig, SaysWhatItsStartHadSeen) {
  const std::size_t model = whole.find("model:"), vocabulary = whole.find("vocabulary:");
  const PretrainConfig config =
      read(whole.substr(0, model) + "model: {from: ../x, note: 13.8 M tokens}\n" + whole.substr(vocabulary));
  EXPECT_EQ(config.from, "../x");
  EXPECT_EQ(config.from_note, "13.8 M tokens");
  EXPECT_NE(config.from_place.find("tiny.yaml:2"), std::string::npos) << config.from_place;
}

struct Fault {
  const char *what, *with, *place, *message;
};

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.with; }

class PretrainFaults : public ::testing::TestWithParam<Fault> {};

TEST_P(PretrainFaults, AreToldWithTheirLine) {
  try {
    read(replaced(whole, GetParam().what, GetParam().with));
    FAIL() << "nothing was wrong";
  } catch (const ConfigError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(GetParam().place), std::string::npos) << message;
    EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, PretrainFaults,
    ::testing::Values(Fault{"objectives:", "objective:", "tiny.yaml:", "objectives"},
                      Fault{"d_model: 64", "d_model: 0", "tiny.yaml:2", "1 or more"},
                      Fault{"activation: gelu_tanh", "activation: gelu_tan", "tiny.yaml:3", "gelu_tanh"},
                      Fault{"vocabulary: spiece.model\n", "", "tiny.yaml", "peft-bench vocab"},
                      Fault{"noise_density: 0.2", "noise_density: 1.5", "tiny.yaml:7", "between 0 and 1"},
                      Fault{"prefix_lm: 1", "prefix_lm: -1", "tiny.yaml:8", "0 or more"},
                      Fault{"rate: {temperature: 2}", "rate: evenly", "tiny.yaml:9", "proportional, equal"},
                      Fault{"tasks: [a, b]", "tasks: [a, a]", "tiny.yaml:9", "duplicate"},
                      Fault{"cap: 9", "temperature: 9", "tiny.yaml:9", "temperature"},
                      Fault{"austen: 0.5", "austen: 2000", "tiny.yaml:5", "0 to 1000"},
                      Fault{"{inputs: 64}", "{inputs: 4000}", "tiny.yaml:7", "sentinels"},
                      Fault{"half: 0.5", "../half: 0.5", "tiny.yaml:13", "invalid snapshot name"},
                      Fault{"half: 0.5", "checkpoint: 0.5", "tiny.yaml:13", "invalid snapshot name"},
                      Fault{"half: 0.5", "tiny: 0.5", "tiny.yaml:13", "invalid snapshot name"},
                      Fault{"early: 10", "early: 10.5", "tiny.yaml:13", "whole number"},
                      Fault{"tasks: [a, b], ", "", "tiny.yaml:9", "tasks"},
                      Fault{"compute: bfloat16", "compute: fp16", "tiny.yaml:12", "float32 or bfloat16"},
                      Fault{"half: 0.5", "half: 300", "tiny.yaml:13", "before 200"},
                      Fault{"beta2: 0.98", "beta_2: 0.98", "tiny.yaml:14", "adamw.beta2"},
                      Fault{"optimizer: adamw", "optimizer: adam", "tiny.yaml:14", "adafactor"},
                      Fault{"steps: 200", "batch_size: 3", "tiny.yaml:14", "batch_size"},
                      Fault{"tokens: 1024", "tokens: 32", "tiny.yaml:11", "64 or more"},
                      Fault{"text: {sotu: 2, austen: 0.5}\n", "", "tiny.yaml", "--recipes"}));

TEST(PretrainConfig, ThreadsDoNotChangeWhatIsLearnt) {
  PretrainConfig config = read(whole);
  const auto before = to_json(config);
  config.train.threads = 7;
  EXPECT_EQ(to_json(config), before);
  config.train.seed = 7;
  EXPECT_NE(to_json(config), before);
}

}  // namespace
}  // namespace peftbench::config_test
