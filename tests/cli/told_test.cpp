// What a run does otherwise than one may think is told before it and in its record.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::told_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing_support::run;

json record(const fs::path& run) { return json::parse(file_text(run / "record.json")); }

class Told : public testing::Test {
 protected:
  Told() : task_(write_task(scratch_)) {}
  std::string path(const std::string& name) const { return (scratch_.path() / name).string(); }
  json trained(const std::string& out, const std::vector<std::string>& words) const {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--out", path(out), "--threads", "1"});
    const Printed printed = run(all);
    EXPECT_EQ(printed.status, 0) << printed.err;
    return record(only_run(path(out)));
  }

  Scratch scratch_;
  fs::path task_;
};

// S18
TEST_F(Told, RowsOfTestThatAreInTraining) {
  std::istringstream lines(file_text(path("parity.jsonl")));
  std::string line, train, test;
  for (int i = 0; std::getline(lines, line); ++i) {
    if (i < 30) test += line + "\n";
    if (i >= 20) train += line + "\n";  // ten stand in both
  }
  scratch_.write("train.jsonl", train);
  scratch_.write("test.jsonl", test);
  const fs::path task =
      scratch_.write("leaky.yaml",
                     "source: {train: train.jsonl, test: test.jsonl}\ninput: \"number: {text}\"\ntarget: \"{parity}\"\n"
                     "labels: [even, odd]\nsplit: {validation: 10}\nlimits: {input: 32, target: 6}\n");
  const std::string told = "10 rows removed from train that are in test too";
  std::vector<std::string> words = short_run(task, path("runs"), {"--set", "train.steps=0"});
  const Printed printed = run(words);
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.err, HasSubstr("warning: leaky: " + told));
  EXPECT_THAT(printed.out, ContainsRegex("warning +leaky: " + told));
  EXPECT_THAT(record(only_run(path("runs"))).at("warnings").dump(), HasSubstr(told));
  words.emplace_back("--dry-run");
  EXPECT_THAT(run(words).out, HasSubstr("warning: leaky: " + told));
  words.emplace_back("--json");
  EXPECT_THAT(json::parse(run(words).out).at("warnings").dump(), HasSubstr(told));
  // Of a task that is scored beside the run's, too.
  const std::vector<std::string> beside = {"--eval-task", task.string(), "--set", "train.steps=0"};
  ASSERT_EQ(run(short_run(task_, path("beside"), beside)).status, 0);
  EXPECT_THAT(record(only_run(path("beside"))).at("warnings").dump(),
              AllOf(HasSubstr("leaky: " + told), HasSubstr("rows of 'leaky' that are scored")));
  // A dry run without the data says so, and ends well.
  fs::remove(path("test.jsonl"));
  const Printed without = run(words);
  EXPECT_EQ(without.status, 0) << without.err;
  EXPECT_THAT(without.out, HasSubstr("the data was not read"));
}

// S20
TEST_F(Told, ACopyOfABackboneTrainsWithItsSettings) {
  fs::copy(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets" / "backbones" / "t5-nano-lm", path("my-model"));
  const auto config = [&](const std::string& backbone) {
    const Printed printed = run({"--method", "lora", "--task", task_.string(), "--backbone", backbone, "--dry-run",
                                 "--json", "--threads", "1"});
    EXPECT_EQ(printed.status, 0) << printed.err;
    return json::parse(printed.out).at("config");
  };
  json own = config("t5-nano-lm"), copy = config(path("my-model"));
  EXPECT_EQ(copy.at("backbone").at("name"), path("my-model"));
  copy["backbone"]["name"] = own.at("backbone").at("name");
  EXPECT_EQ(own, copy);
  // And what will be used, and from where, is printed.
  const Printed printed = run({"methods", "lora", "--backbone", path("my-model")});
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out, ContainsRegex("train.learning_rate +0.003 +[^\n]*configs/methods/lora.yaml:[0-9]+"));
  const json in_force =
      json::parse(run({"methods", "lora", "--backbone", path("my-model"), "--json"}).out).at("in_force");
  EXPECT_EQ(in_force.at("settings").at("train.learning_rate"), own.at("train").at("learning_rate"));
  EXPECT_THAT(
      run({"--method", "lora", "--task", task_.string(), "--backbone", path("my-model"), "--dry-run", "--seed", "7"})
          .out,
      AllOf(ContainsRegex("learning_rate: 0.003 +# [^\n]*configs/methods/lora.yaml:[0-9]+"),
            ContainsRegex("seed: 7 +# --seed")));
}

// S20
TEST_F(Told, SettingsThatDoNothingAreWarnedOf) {
  const std::vector<std::string> more = {"--set", "train.warmup_steps=600", "--set", "train.patience=3",
                                         "--set", "train.evaluate_every=0"};
  const Printed printed = run(short_run(task_, path("runs"), more));
  ASSERT_EQ(printed.status, 0) << printed.err;
  const std::string warnings = record(only_run(path("runs"))).at("warnings").dump();
  EXPECT_THAT(warnings,
              AllOf(HasSubstr("train.warmup_steps=600 of 24 steps"), HasSubstr("train.patience=3 has no effect")));
  std::vector<std::string> dry = short_run(task_, path("runs"), more);
  dry.emplace_back("--dry-run");
  EXPECT_THAT(run(dry).out, AllOf(HasSubstr("train.warmup_steps=600 of 24 steps"), HasSubstr("train.patience=3")));
}

// S28
TEST_F(Told, OperationsAreThoseThatAreDone) {
  const auto head = [&](const std::string& out, const std::string& bytes) {
    return trained(out,
                   {"--method", "head_tuning", "--task", task_.string(), "--backbone", "t5-nano-lm", "--steps", "2",
                    "--set", "train=head", "--set", "train.dropout=0", "--set", "train.encoder_cache_bytes=" + bytes})
        .at("ledger")
        .at("flops");
  };
  const json none = head("none", "0"), all = head("all", "1000000000"), some = head("some", "400000");
  EXPECT_EQ(none.at("forward"), all.at("forward"));
  EXPECT_GE(none.at("training_step").get<double>(), none.at("forward").get<double>());
  EXPECT_LT(all.at("training_step").get<double>(), all.at("forward").get<double>());
  EXPECT_LT(some.at("training_step").get<double>(), none.at("training_step").get<double>());
  EXPECT_GT(some.at("training_step").get<double>(), all.at("training_step").get<double>());

  const auto words = [&](const std::string& out, const std::string& prompts) {
    return trained(out, {"--method", "soft_words", "--task", task_.string(), "--backbone", "t5-nano-lm", "--steps", "0",
                         "--set", "prompts=" + prompts, "--set", "task.sentinel=true"})
        .at("ledger")
        .at("flops");
  };
  const std::string a = "{input} [2: It was] <extra_id_0>.",
                    b = "{input} [2: It was] what many people would have called a number that is <extra_id_0>.";
  const json one = words("one", a), two = words("two", b), both = words("both", a + "|" + b);
  EXPECT_LT(one.at("forward").get<double>(), two.at("forward").get<double>());
  for (const char* count : {"forward", "prediction"})
    EXPECT_NEAR(both.at(count).get<double>() / (one.at(count).get<double>() + two.at(count).get<double>()), 1, 1e-9);
}

TEST_F(Told, MessagesSayWhatSomethingIs) {
  const auto refused = [](const std::vector<std::string>& words) {
    const Printed printed = run(words);
    EXPECT_EQ(printed.status, 2) << printed.out;
    return printed.err;
  };
  ASSERT_EQ(run(short_run(task_, path("runs"), {"--set", "train.steps=0"})).status, 0);
  const fs::path folder = only_run(path("runs"));
  fs::copy(folder / "adapter", path("alone"));
  EXPECT_THAT(refused({"forgetting", path("alone")}),
              HasSubstr("`peft-bench eval " + path("alone") + "` evaluates it"));
  scratch_.write("peft/adapter_config.json", "{}");
  EXPECT_THAT(refused({"forgetting", path("peft")}),
              AllOf(HasSubstr("Hugging Face PEFT"), HasSubstr("--backbone NAME --task NAME` evaluates it")));
  EXPECT_THAT(refused({"ensemble", path("runs")}),
              AllOf(HasSubstr("a folder of 1 runs"), HasSubstr(folder.filename().string())));
  EXPECT_THAT(refused({"eval", task_.string()}), HasSubstr("a file"));
  EXPECT_THAT(refused({"forgetting", PEFTBENCH_TEST_SOURCE_DIR "/assets/backbones/t5-nano-lm"}),
              HasSubstr("a model's folder"));

  EXPECT_THAT(refused({"--method", "lora", "--seed", "1", "--seed", "2", "--dry-run"}),
              AllOf(HasSubstr("the flag --seed is given 2 times"), HasSubstr("1, 2")));
  EXPECT_THAT(refused({"--method", "lora", "--lr", "1", "--dry-run"}), HasSubstr("--set train.learning_rate=VALUE"));
  EXPECT_THAT(run(short_run(task_, "/sys/nothing/runs", {"--set", "train.steps=0"})).err,
              AllOf(HasSubstr("/sys/nothing"), Not(HasSubstr("No such file"))));
}

TEST_F(Told, WhichDevicesThereAre) {
  const auto refused = [&](const std::vector<std::string>& words) {
    std::vector<std::string> all = {"--method", "lora", "--dry-run"};
    all.insert(all.end(), words.begin(), words.end());
    const Printed printed = run(all);
    EXPECT_EQ(printed.status, 2) << printed.out;
    return printed.err;
  };
  for (const char* setting : {"--device=cuda:99", "--set=device.name=cuda:99"})
    EXPECT_THAT(refused({setting}),
                AllOf(HasSubstr("the device 'cuda:99' is not available"), HasSubstr("available: cpu")));
  EXPECT_THAT(refused({"--device", "gpu"}),
              AllOf(HasSubstr("--device: invalid device 'gpu'"), HasSubstr("auto, cpu, cuda or cuda:N")));
  EXPECT_THAT(refused({"--set", "gpu=true"}), HasSubstr("'device.name'"));
  EXPECT_THAT(refused({"--set", "device=cpu"}), HasSubstr("--device NAME"));
}

TEST_F(Told, ThatNoGpuIsUsed) {
  const Printed printed = run(short_run(task_, path("runs"), {"--set", "train.steps=0"}));
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.err, HasSubstr("on the CPU, 1 thread"));
  EXPECT_THAT(printed.out, ContainsRegex("machine +[^\n]*1 thread; no GPU is used"));
}

}  // namespace
}  // namespace peftbench::told_test
