#include "pretrain/pretrainer.h"
#include "support/layers.h"

#include "backbone/initial_weights.h"
#include "pretrain/card.h"
#include "support/tiny_backbone.h"
#include "train/loss.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <unistd.h>
#include <map>
#include <sstream>

namespace peftbench::pretrainer_test {

using namespace layers;

namespace {

// Copies the beginning of its input: something that can be learnt.
EncodedExample copying(std::int64_t index) {
  EncodedExample example;
  example.input = support::some_ids(4 + index % 5, index);
  example.input.push_back(1);
  example.target = {example.input[0], example.input[1], 1};
  return example;
}

class Pretraining : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder);
    fs::create_directories(folder);
    config.name = "tiny";
    config.tokens = 96;
    config.shares = {0.5, 0, 0.5};
    config.train.steps = 12;
    config.train.learning_rate = 0.05;
    config.train.schedule = ScheduleKind::constant;
    config.train.adafactor.multiply_by_parameter_scale = true;
    config.train.adafactor.weight_decay_rate = 0;
    config.train.dropout = 0.1;
    config.train.evaluate_every = 4;
    config.train.checkpoint_every = 3;
    config.train.log_every = 1;
    config.snapshots = {{"half", 6}};
  }

  void TearDown() override { fs::remove_all(folder); }

  PretrainResult run(const std::string& name, std::function<bool()> stop = {}, bool keep_again = false) {
    CheckpointStore checkpoints(folder / name / "checkpoint", "a hash");
    EventLog log(folder / name / "log.jsonl");
    fs::create_directories(folder / name);
    const BackboneSpec spec = support::tiny_spec();
    std::vector<EncodedExample> held_out = {copying(1001), copying(1002), copying(1003)};
    std::vector<ExamplePool> pools = {
        {"span_corruption", 0.5, copying, held_out},
        {"tasks", 0.5, [](std::int64_t i) { return copying(500 + i); }, held_out},
    };
    return pretrain::pretrain({config, spec, initial_weights(spec, 1), std::move(pools), checkpoints, log,
                               silent_progress(), std::move(stop),
                               [&](const std::string& model, const PretrainResult& here, const TensorMap& weights) {
                                 kept[name + "/" + model] = weights;
                                 steps[model] = here.steps;
                                 tokens[model] = here.tokens;
                               },
                               keep_again});
  }

  std::string log_of(const std::string& name) { return read_text(folder / name / "log.jsonl"); }

  // Tests run at once, each in a process of its own.
  fs::path folder = fs::path(::testing::TempDir()) / ("peftbench_pretrainer_" + std::to_string(::getpid()));
  PretrainConfig config;
  std::map<std::string, TensorMap> kept;
  std::map<std::string, std::int64_t> steps, tokens;
};

TEST_F(Pretraining, LearnsAndKeepsItsModels) {
  config.train.steps = 60;
  const PretrainResult result = run("whole");
  EXPECT_EQ(result.steps, 60);
  EXPECT_EQ(steps.at("half"), 6);
  EXPECT_EQ(steps.at("tiny"), 60);
  EXPECT_GT(tokens.at("half"), 0);  // no evaluation was at its step
  EXPECT_LT(tokens.at("half"), tokens.at("tiny") / 5);
  std::vector<double> losses;
  std::istringstream lines(log_of("whole"));
  for (std::string line; std::getline(lines, line);) {
    const auto event = nlohmann::json::parse(line);
    if (event.at("event") == "evaluation") losses.push_back(event.at("held_out").at("tasks").get<double>());
  }
  ASSERT_EQ(losses.size(), 16u);
  EXPECT_LT(losses.back(), losses.front() - 1);
  EXPECT_EQ(losses.back(), result.held_out.at("tasks"));
  // Every tensor has moved, norms and the relative bias among them.
  const TensorMap first = initial_weights(support::tiny_spec(), 1);
  for (const auto& [name, tensor] : kept.at("whole/tiny")) EXPECT_FALSE(tensor.equal(first.at(name))) << name;
}

TEST_F(Pretraining, StoppedAfterEachStepItEndsWithTheSameBits) {
  run("whole");
  int interruptions = 0;
  while (run("parts", [] { return true; }).interrupted) ++interruptions;
  EXPECT_EQ(interruptions, 11);
  for (const char* model : {"half", "tiny"}) {
    for (const auto& [name, tensor] : kept.at(std::string("whole/") + model)) {
      EXPECT_TRUE(tensor.equal(kept.at(std::string("parts/") + model).at(name))) << model << " " << name;
    }
  }
  EXPECT_EQ(log_of("whole"), log_of("parts"));
  EXPECT_EQ(run("parts").tokens_here, 0);  // it had finished
  const TensorMap last = kept.at("parts/tiny");
  kept.clear();
  run("parts");
  EXPECT_TRUE(kept.empty());
  run("parts", {}, true);
  ASSERT_EQ(kept.size(), 1u);
  for (const auto& [name, tensor] : kept.at("parts/tiny")) EXPECT_TRUE(tensor.equal(last.at(name))) << name;
}

TEST_F(Pretraining, AStepIsTheMeanOfTheObjectivesByShare) {
  config.train.steps = 1;
  config.train.dropout = 0;
  run("one");
  std::istringstream lines(log_of("one"));
  std::string line;
  std::getline(lines, line);  // the evaluation before it
  std::getline(lines, line);
  const auto event = nlohmann::json::parse(line);
  ASSERT_EQ(event.at("event"), "step");
  // By hand: the mean over the target tokens of what fits into half of the budget.
  const BackboneSpec spec = support::tiny_spec();
  const auto backbone = Backbone::from_tensors(spec, initial_weights(spec, 1));
  double expected = 0;
  for (const std::int64_t first : {0, 500}) {
    std::vector<EncodedExample> examples;
    std::int64_t room = config.tokens / 2;
    for (std::int64_t i = first;; ++i) {
      const EncodedExample next = copying(i);
      room -= static_cast<std::int64_t>(next.input.size());
      if (room < 0) break;
      examples.push_back(next);
    }
    ExampleBatch batch;
    std::vector<std::vector<std::int64_t>> targets;
    for (const EncodedExample& example : examples) {
      batch.examples.push_back(&example);
      targets.push_back(example.target);
    }
    const CompiledPlan nothing;
    const RunContext context = RunContext::inference();
    const EncoderState encoder = encode_batch(*backbone, batch, nothing, context, nullptr);
    const double sum = score_targets(*backbone, encoder, targets, nothing, context).sum().item<double>();
    expected -= 0.5 * sum / static_cast<double>(3 * examples.size());
  }
  EXPECT_NEAR(event.at("loss").get<double>(), expected, 1e-5);
}

TEST_F(Pretraining, MicroBatchesOfOneSizeGiveOneBigOne) {
  // Two forward passes of 48 tokens an objective see what one of 96 sees, if examples fill them alike.
  const auto alike = [](std::int64_t i) {
    EncodedExample example = copying(i * 5);  // all of five tokens
    return example;
  };
  const auto loss_with = [&](std::int64_t tokens, std::int64_t passes) {
    config.train.steps = 1;
    config.train.dropout = 0;
    config.tokens = tokens;
    config.train.gradient_accumulation = passes;
    fs::remove_all(folder / "m");
    CheckpointStore checkpoints(folder / "m" / "checkpoint", "a hash");
    fs::create_directories(folder / "m");
    EventLog log(folder / "m" / "log.jsonl");
    const BackboneSpec spec = support::tiny_spec();
    TensorMap last;
    pretrain::pretrain({config,
                        spec,
                        initial_weights(spec, 1),
                        {{"prefix_lm", 1, alike, {}}},
                        checkpoints,
                        log,
                        silent_progress(),
                        {},
                        [&](const std::string&, const PretrainResult&, const TensorMap& w) { last = w; }});
    return last;
  };
  const TensorMap one = loss_with(100, 1), two = loss_with(50, 2);
  for (const auto& [name, tensor] : one) EXPECT_LT((tensor - two.at(name)).abs().max().item<double>(), 2e-5) << name;
}

TEST(Card, TellsWhatTheModelIs) {
  const fs::path folder = fs::path(::testing::TempDir()) / ("peftbench_card_" + std::to_string(::getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  const fs::path log = folder / "log.jsonl";
  write_atomically(log,
                   R"({"event":"evaluation","step":0,"tokens":0,"held_out":{"prefix_lm":6.5}}
{"event":"step","step":5,"loss":3}
{"event":"evaluation","step":10,"tokens":1234567,"held_out":{"prefix_lm":4.25}}
{"event":"evaluation","step":20,"tokens":2234567,"held_out":{"prefix_lm":3.5}}
)");
  PretrainConfig config;
  config.name = "some";
  config.file = "some.yaml";
  config.from = "t5-nano-span";
  config.shares = {0, 1, 0};
  config.train.steps = 20;
  CardFacts facts;
  facts.spec = support::tiny_spec();
  facts.step = 10;
  facts.tokens = 1239999;
  facts.from_card = "# t5-nano-span\n\n## Text\n```\n# code\n```\n![loss](loss.svg)\n";
  config.from_note = "13.8 M tokens";
  config.held_out = 0.02;
  config.command = "peft-bench pretrain some --seed 3";
  facts.text = {{"sotu", 96, 1006772, 0.5}};
  facts.tasks = {{"antonym", "which word means the opposite", 4864, 0.25}};
  facts.hardware = "a processor";
  facts.seconds = 120;
  write_card(folder, "some-half", config, facts, log);
  const std::string card = read_text(folder / "README.md");
  for (const char* part :
       {"# some-half", "`t5-nano-span`: 13.8 M tokens |", "Written by `peft-bench pretrain some --seed 3`, after",
        "| tokens seen | 1,239,999, inputs", "\n## t5-nano-span\n\n### Text\n```\n# code\n```\n", "| held out | 2 %",
        "prefix LM 100 %", "after 10 of 20 steps", "| sotu | 96 | 1,006,772 | 0.5 |",
        "| antonym | which word means the opposite | 4,864 | 25 % |", "| 10 | 1,234,567 | 4.250 |", "a processor",
        "2 min"})
    EXPECT_NE(card.find(part), std::string::npos) << part << "\n" << card;
  EXPECT_EQ(card.find("3.500"), std::string::npos) << "a loss of after its step";
  EXPECT_EQ(card.find("![loss]", card.find("![loss]") + 1), std::string::npos) << "its own curve as that of its start";
  EXPECT_NE(read_text(folder / "loss.svg").find("<polyline"), std::string::npos);
}

// hostile 21: names come from files of others.
TEST(Card, NamesAreNoMarkup) {
  const fs::path folder = fs::path(::testing::TempDir()) / ("peftbench_card_names_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  write_atomically(folder / "log.jsonl", R"({"event":"evaluation","step":0,"tokens":0,"held_out":{"<b>":1}}
{"event":"evaluation","step":1,"tokens":1,"held_out":{"<b>":1}}
)");
  PretrainConfig config;
  config.file = "some`<i>.yaml";
  config.from = "a|b";
  config.shares = {0, 0, 1};
  config.train.steps = 1;
  CardFacts facts;
  facts.spec = support::tiny_spec();
  facts.step = 1;
  facts.text = {{"a | b\n# title", 1, 1, 1}};
  facts.tasks = {{"<script>", "[x](javascript:y)", 1, 1}};
  write_card(folder, "<name>", config, facts, folder / "log.jsonl");
  const std::string card = read_text(folder / "README.md");
  for (const char* part : {"| a \\| b\\\\n# title |", "| &lt;script&gt; | \\[x\\](javascript:y) |", "# &lt;name&gt;\n",
                           "| initial weights | a\\|b", "some\\`&lt;i&gt;.yaml"})
    EXPECT_NE(card.find(part), std::string::npos) << part << "\n" << card;
  for (const std::string& text : {card, read_text(folder / "loss.svg")}) {
    EXPECT_EQ(text.find("<script>"), std::string::npos);
    EXPECT_EQ(text.find("<b>"), std::string::npos);
    EXPECT_EQ(text.find("<name>"), std::string::npos);
  }
  fs::remove_all(folder);
}

TEST(Card, WithNothingHeldOutHasNoTableOfLosses) {
  const fs::path folder = fs::path(::testing::TempDir()) / "peftbench_card_bare";
  fs::remove_all(folder);
  fs::create_directories(folder);
  write_atomically(folder / "log.jsonl", R"({"event":"evaluation","step":0,"tokens":0,"held_out":{}})"
                                         "\n");
  PretrainConfig config;
  config.file = "some.yaml";
  config.shares = {1, 0, 0};
  config.held_out = 0;
  CardFacts facts;
  facts.spec = support::tiny_spec();
  facts.text = {{"sotu", 96, 1006772, 1}};
  write_card(folder, "some", config, facts, folder / "log.jsonl");
  const std::string card = read_text(folder / "README.md");
  EXPECT_EQ(card.find("Loss"), std::string::npos) << card;
  EXPECT_EQ(card.find("held out"), std::string::npos) << card;
  EXPECT_NE(card.find("`peft-bench pretrain some.yaml`"), std::string::npos) << card;
  EXPECT_FALSE(fs::exists(folder / "loss.svg"));
}

}  // namespace
}  // namespace peftbench::pretrainer_test
