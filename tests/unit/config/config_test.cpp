#include "config/options.h"
#include "config/run_config.h"
#include "config/settings.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace peftbench::config_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::HasSubstr;

// Two tasks and two backbones; files are read each time.
class Named : public ConfigSources {
 public:
  const SettingsBlock& settings(const fs::path& file) override { return last_ = read_settings(file); }
  bool has_task(const std::string& name) override { return name == "movies" || name == "senses"; }
  std::vector<std::string> names() override { return {"movies", "senses", "nano", "small"}; }
  std::vector<std::string> aliases() override { return {}; }
  std::string name_of_task(const std::string&) override { return {}; }
  std::string name_of_backbone(const std::string&) override { return {}; }

 private:
  SettingsBlock last_;
};

// A folder of configurations, and a method that is not there.
class Config : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("peftbench-config-" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "methods");
    write("defaults.yaml", "task: movies\nbackbone: nano\n");
    schema_.param("length", 100, "rows").range(1, 4096);
    schema_.param("init", "class_label", "how it starts").choices({"class_label", "random_uniform"});
    schema_.recommend("train.learning_rate", "0.5");
    request_.method = "soft";
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    write_atomically(folder_ / name, text);
    return folder_ / name;
  }
  RunConfig resolve() { return resolve_config(request_, schema_, folder_, named_); }
  template <class Matcher>
  void expect_refused(const Matcher& matcher) {
    try {
      resolve();
      FAIL() << "was accepted";
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), matcher);
    }
  }
  void set(const std::string& text) { request_.settings.push_back(parse_set(text)); }

  fs::path folder_;
  MethodSchema schema_;
  Named named_;
  ConfigRequest request_;
};

TEST_F(Config, LaterLayersWin) {
  RunConfig config = resolve();
  EXPECT_EQ(config.task(), "movies");
  EXPECT_EQ(config.options.train.learning_rate, 0.5);  // recommended
  EXPECT_EQ(config.values.integer("length"), 100);
  EXPECT_GE(config.options.train.threads, 1);

  write("methods/soft.yaml", "train: {learning_rate: 0.4, steps: 70}\nset: {length: 20}\n");
  config = resolve();
  EXPECT_EQ(config.options.train.learning_rate, 0.4);
  EXPECT_EQ(config.values.integer("length"), 20);

  request_.file =
      write("mine.yaml", "seed: 7\ntrain:\n  steps: 60\n  adafactor: {decay_rate: 0.7}\neval: {mode: rank}\n");
  request_.flags.push_back({"train.steps", "50", "--steps"});
  set("length=10");
  set("train.learning_rate=0.3");
  set("backbone.precision=bfloat16");
  config = resolve();
  EXPECT_EQ(config.seed(), 7);
  EXPECT_EQ(config.options.train.steps, 50);
  EXPECT_EQ(config.options.train.learning_rate, 0.3);
  EXPECT_EQ(config.options.train.adafactor.decay_rate, 0.7);
  EXPECT_EQ(config.options.train.evaluation.mode, EvaluationMode::rank);
  EXPECT_EQ(config.values.integer("length"), 10);
  EXPECT_EQ(config.load_options().precision, Precision::bfloat16);
}

// What is hashed and recorded is what computes, not how it was asked for.
TEST_F(Config, TheFastestBackendOfTheDevice) {
  set("device.name=cpu");
  EXPECT_EQ(resolve().options.backbone.backend, BackendChoice::fast);
  EXPECT_EQ(resolve().load_options().backend, Backend::fast);
  set("backbone.backend=reference");
  EXPECT_EQ(resolve().load_options().backend, Backend::reference);
  EXPECT_EQ(backbone::resolve(BackendChoice::automatic, c10::kCUDA), Backend::reference);
}

// S17
TEST_F(Config, AMethodsFileDecidesNothingOfEvaluation) {
  for (const char* text :
       {"eval: {mode: rank}\n", "on: {nano: {eval: {beams: 4}}}\n", "task: {max_input_tokens: 9}\n"}) {
    write("methods/soft.yaml", text);
    expect_refused(AllOf(HasSubstr("soft.yaml:1: '"), HasSubstr("is an evaluation setting")));
  }
  write("methods/soft.yaml", "train: {unlikelihood_weight: 1}\n");
  EXPECT_EQ(resolve().options.train.unlikelihood_weight, 1);
}

TEST_F(Config, ConditionsHoldForTheirTaskAndBackbone) {
  write("methods/soft.yaml",
        "train: {steps: 1000}\n"
        "on:\n"
        "  nano:\n    train: {steps: 300}\n    on: {senses: {set: {length: 5}}}\n"
        "  small: {train: {steps: 400}}\n");
  EXPECT_EQ(resolve().options.train.steps, 300);
  EXPECT_EQ(resolve().values.integer("length"), 100);
  request_.flags = {{"task.name", "senses", "--task"}};
  EXPECT_EQ(resolve().values.integer("length"), 5);
  request_.flags = {{"backbone.name", "small", "--backbone"}};
  EXPECT_EQ(resolve().options.train.steps, 400);
  request_.flags = {{"backbone.name", "/somewhere/small", "--backbone"}};  // by the folder's name
  EXPECT_EQ(resolve().options.train.steps, 400);
  set("train.steps=9");
  EXPECT_EQ(resolve().options.train.steps, 9);
}

TEST_F(Config, AConditionMayNameAFamily) {
  write("methods/soft.yaml",
        "train: {steps: 1000}\non:\n  \"na*\": {train: {steps: 300}}\n  \"sma?l\": {train: {steps: 400}}\n");
  EXPECT_EQ(resolve().options.train.steps, 300);
  request_.flags = {{"backbone.name", "small", "--backbone"}};
  EXPECT_EQ(resolve().options.train.steps, 400);
  write("methods/soft.yaml", "on: {\"nono-*\": {train: {steps: 2}}}\n");
  expect_refused(HasSubstr("soft.yaml:1: 'on' names neither a task nor a backbone: 'nono-*'"));
}

// What is kept is absolute; a path in a file is of the file's folder, one on the command line of the shell's. S22
TEST_F(Config, PathsAreAbsoluteAndOfTheFileThatNamesThem) {
  for (const char* folder : {"files", "shell"}) {
    write(std::string(folder) + "/mood.yaml", "x");
    write(std::string(folder) + "/my-t5/config.json", "{}");
    write(std::string(folder) + "/start/adapter.safetensors", "x");
    write(std::string(folder) + "/values/rows.npy", "x");
  }
  write("shell/only_here.yaml", "x");
  schema_.param("init_file", "", "a file");
  schema_.param("words", "", "a text");
  request_.file = write("files/own.yaml",
                        "task: mood.yaml\nbackbone: my-t5\ninit_from: start\nset: {init_file: values/rows.npy, words: "
                        "mood.yaml}\neval: {tasks: [movies, only_here.yaml]}\n");
  const fs::path before = fs::current_path(), real = fs::canonical(folder_);
  fs::current_path(folder_ / "shell");
  RunConfig config = resolve();
  const auto expect_in = [&](const std::string& folder) {
    EXPECT_EQ(fs::path(config.task()), real / folder / "mood.yaml");
    EXPECT_EQ(fs::path(config.backbone()), real / folder / "my-t5");
    EXPECT_EQ(fs::path(config.options.init_from), real / folder / "start");
    EXPECT_EQ(fs::path(config.values.text("init_file")), real / folder / "values" / "rows.npy");
    EXPECT_EQ(config.values.text("words"), "mood.yaml") << "a text is no path";
  };
  expect_in("files");
  EXPECT_EQ(config.options.eval.tasks, (Names{"movies", (real / "shell" / "only_here.yaml").string()}));
  request_.flags = {{"task.name", "mood.yaml", "--task"},
                    {"backbone.name", "./my-t5", "--backbone"},
                    {"init_from", "start", "--init-from"}};
  set("init_file=values/rows.npy");
  config = resolve();
  expect_in("shell");
  EXPECT_EQ(config.origins.at("task.name"), "--task");
  fs::current_path(before);
}

// What a condition is checked against is what it is applied to. S27
TEST_F(Config, AConditionIsCheckedByWhatItFits) {
  const fs::path task = write("mood.yaml", "x");
  write("other.yaml", "x");
  write("my-t5/config.json", "{}");
  const auto with = [&](const std::string& name) {
    request_.file = write("own.yaml", "train: {steps: 7}\non: {\"" + name + "\": {train: {steps: 9}}}\n");
    return resolve().options.train.steps;
  };
  request_.flags = {{"task.name", task.string(), "--task"},
                    {"backbone.name", (folder_ / "my-t5").string(), "--backbone"}};
  for (const std::string& name : {std::string("mood"), std::string("mood.yaml"), std::string("./mood.yaml"),
                                  task.string(), std::string("mo*"), std::string("my-t5"), std::string("./my-t5/")})
    EXPECT_EQ(with(name), 9) << name;
  EXPECT_EQ(with("other.yaml"), 7) << "a task that is there, and another";
  EXPECT_EQ(with("movies"), 7);
  for (const char* typo : {"x/typo", "./moods.yaml", "mod", "org/model"}) {
    request_.file = write("own.yaml", std::string("on: {\"") + typo + "\": {train: {steps: 9}}}\n");
    expect_refused(HasSubstr("own.yaml:1: 'on' names neither a task nor a backbone"));
  }
  // Those of a suite's other runs.
  request_.beside = {{"task.name", "deep/moods.yaml", "suite"}};
  EXPECT_EQ(with("moods"), 7);
}

// A backbone that is known by its weights goes by its own name. S20
TEST_F(Config, SettingsFollowTheWeightsAndNotTheFoldersName) {
  write("methods/soft.yaml",
        "train: {steps: 1000}\non:\n  nano: {train: {steps: 300}}\n  small: {train: {steps: 5}}\n");
  class ByWeights final : public Named {
    std::string name_of_backbone(const std::string& given) override { return given.ends_with("small") ? "nano" : ""; }
  };
  ByWeights by_weights;
  request_.flags = {{"backbone.name", "/elsewhere/small", "--backbone"}};
  const RunConfig config = resolve_config(request_, schema_, folder_, by_weights);
  EXPECT_EQ(config.options.train.steps, 300);
  EXPECT_THAT(config.origins.at("train.steps"), HasSubstr("soft.yaml:3"));
  EXPECT_THAT(to_yaml(config, {}, true), HasSubstr("steps: 300  # "));
  EXPECT_THAT(to_yaml(config, {}), testing::Not(HasSubstr("#")));
}

TEST_F(Config, TheFieldsOtherWordsAreKnown) {
  set("train.lr=3");
  expect_refused(HasSubstr("did you mean 'train.learning_rate'?"));
  request_.settings.clear();
  set("lr=3");
  expect_refused(HasSubstr("did you mean 'train.learning_rate'?"));
  for (const char* word : {"lr", "weight_decay", "max_grad_norm", "eval_steps", "num_beams", "bf16", "random_seed"}) {
    const auto key = setting_of_alias(word);
    ASSERT_TRUE(key) << word;
    const auto& all = option_schema().parameters();
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const auto& p) { return p.name == *key; })) << *key;
  }
}

TEST_F(Config, MistakesNameTheirPlaceAndTheNearestName) {
  write("methods/soft.yaml", "train:\n  steps: 3\n  batch_sze: 3\n");
  expect_refused(
      AllOf(HasSubstr("soft.yaml:3: unknown setting 'train.batch_sze'"), HasSubstr("did you mean 'train.batch_size'")));
  write("methods/soft.yaml", "trian:\n  steps: 3\n");
  expect_refused(AllOf(HasSubstr("soft.yaml:2"), HasSubstr("train")));
  write("methods/soft.yaml", "set: {lenght: 3}\n");
  expect_refused(AllOf(HasSubstr("soft.yaml:1: soft has no parameter 'lenght'"), HasSubstr("did you mean 'length'")));
  write("methods/soft.yaml", "\nset: {length: many}\n");
  expect_refused(AllOf(HasSubstr("soft.yaml:2"), HasSubstr("many"), HasSubstr("integer")));
  write("methods/soft.yaml", "on: {nan: {train: {steps: 2}}}\n");
  expect_refused(AllOf(HasSubstr("soft.yaml:1"), HasSubstr("did you mean 'nano'")));
  write("methods/soft.yaml", "on: {small: {train: {stps: 2}}}\n");
  EXPECT_NO_THROW(resolve());  // not in force here; the next line asks for it
  request_.flags = {{"backbone.name", "small", "--backbone"}};
  expect_refused(HasSubstr("did you mean 'train.steps'"));
}

TEST_F(Config, SetIsCheckedToo) {
  EXPECT_THROW(parse_set("length"), ConfigError);
  EXPECT_THROW(parse_set("=3"), ConfigError);
  for (const auto& [text, hint] : std::vector<std::pair<std::string, std::string>>{
           {"length=0", "1 … 4096"},
           {"init=classlabel", "did you mean 'class_label'"},
           {"batch_size=3", "did you mean 'train.batch_size' or 'eval.batch_size'"},
           {"train.optimizer=adam", "did you mean 'adamw'"},
           {"train.steps=1.5", "integer"},
           {"eval.mode=", "greedy"},
           {"model.x=1", "unknown setting 'model.x'"}}) {
    request_.settings = {parse_set(text)};
    expect_refused(AllOf(HasSubstr("--set " + text), HasSubstr(hint)));
  }
}

TEST_F(Config, FilesThatAreNoConfiguration) {
  request_.file = write("bad.yaml", "train: {steps: 3\n");
  expect_refused(AllOf(HasSubstr("bad.yaml:"), HasSubstr("not YAML")));
  request_.file = write("bad.yaml", "seed: 1\nseed: 2\n");
  expect_refused(AllOf(HasSubstr("bad.yaml:2"), HasSubstr("duplicate key")));
  request_.file = write("bad.yaml", "- a\n- b\n");
  expect_refused(AllOf(HasSubstr("bad.yaml:1"), HasSubstr("not a map"), HasSubstr("a list")));
  request_.file = write("bad.yaml", "train:\n  steps:\n");
  expect_refused(AllOf(HasSubstr("bad.yaml:2"), HasSubstr("'train.steps' has no value")));
  request_.file = write("bad.yaml", "set: {init: [a, b]}\n");
  expect_refused(HasSubstr("bad.yaml:1"));
}

TEST_F(Config, MethodComesFromTheFileIfNotFromTheFlag) {
  request_.method.clear();
  EXPECT_THROW(requested_method(request_, named_), ConfigError);
  request_.file = write("mine.yaml", "method: soft\n");
  EXPECT_EQ(requested_method(request_, named_).name, "soft");
  EXPECT_EQ(resolve().method, "soft");
}

TEST_F(Config, TheWrittenFileGivesTheSameConfiguration) {
  set("length=3");
  set("train.learning_rate=0.1");
  set("train.z_loss=1e-4");
  const RunConfig config = resolve();
  request_ = {};
  request_.file = write("config.yaml", to_yaml(config, {"written by a test"}));
  const RunConfig again = resolve();
  EXPECT_EQ(to_json(again).dump(), to_json(config).dump());
  EXPECT_EQ(to_json(config)["train"]["learning_rate"], 0.1);
  EXPECT_EQ(to_json(config)["set"]["length"], 3);
}

// hostile 21: whatever a value or a comment holds, it stays one.
TEST_F(Config, TheWrittenFileHoldsEveryTextAsItIs) {
  schema_.param("text", "", "a text").param("list", Names{}, "texts");
  for (const std::string text : {"a\ntrain: {steps: 1}",
                                 "null",
                                 "~",
                                 "true",
                                 "- x",
                                 "{a: b}",
                                 "[a]",
                                 "'",
                                 "\"",
                                 "# x",
                                 " x ",
                                 "a: b",
                                 "a #b",
                                 "!tag",
                                 "&a",
                                 "*a",
                                 "%x",
                                 "@x",
                                 "`x",
                                 "\x01\x1b[31m",
                                 "\ta\t",
                                 "\r\n",
                                 "\xc2\x85",
                                 "\xe2\x80\xa8",
                                 "---",
                                 "...",
                                 "|",
                                 ">",
                                 "1_0",
                                 "0x1",
                                 "\\n",
                                 "{input} answer:",
                                 "é 否",
                                 "?",
                                 "? x",
                                 "<<",
                                 "=",
                                 ","}) {
    request_.settings = {{"set.text", text, "here"}, {"set.list", Names{text, "b"}, "here"}};
    const RunConfig config = resolve();
    ConfigRequest again;
    again.file = write("written.yaml", to_yaml(config, {"first\nseed: 99", "second\r\nseed: 98"}));
    const RunConfig read = resolve_config(again, schema_, folder_, named_);
    EXPECT_EQ(read.values.text("text"), text);
    EXPECT_EQ(read.values.names("list"), (Names{text, "b"}));
    EXPECT_EQ(to_json(read), to_json(config)) << text;
  }
}

// hostile 15: neither YAML nor JSON holds other bytes, so such a run could not be kept.
TEST_F(Config, AValueThatIsNotUtf8IsRefused) {
  request_.settings = {{"init_from", "runs/caf\xe9", "--init-from"}};
  expect_refused(AllOf(HasSubstr("--init-from: the value of 'init_from' is not UTF-8"), HasSubstr("runs/caf\\xe9")));
  request_.settings = {{"eval.tasks", Names{"a", "b\xff"}, "here"}};
  expect_refused(HasSubstr("b\\xff"));
}

}  // namespace
}  // namespace peftbench::config_test
