// export, import, --init-from, ensemble and neighbors as a user sees them.
#include "support/json_lines.h"
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <map>

namespace peftbench::exchange_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing_support::run;

void expect_mistake(const std::vector<std::string>& words, const std::string& what, const std::string& hint) {
  const Printed printed = run(words);
  EXPECT_EQ(printed.status, 2) << printed.err;
  EXPECT_EQ(printed.out, "");
  EXPECT_THAT(printed.err, AllOf(HasSubstr("peft-bench: "), HasSubstr(what), HasSubstr(hint)));
}

std::vector<json> lines(const fs::path& file) { return json_lines(file_text(file)); }

// Runs that all tests share: they are not changed.
class Exchange : public testing::Test {
 protected:
  static constexpr const char* folder_names[] = {"one", "two", "three"};
  static void SetUpTestSuite() {
    scratch_ = new Scratch;
    task_ = write_task(*scratch_);
    const std::vector<std::string> ranked = {"--set", "eval.mode=rank", "--set", "eval.rank_score=mean"};
    for (int i = 0; i < 2; ++i) {
      const fs::path out = scratch_->path() / folder_names[i];
      ASSERT_EQ(run(short_run(task_, out, ranked, std::to_string(i + 1))).status, 0);
    }
    // Another method, which after its last step answers otherwise than the prompts.
    std::vector<std::string> lora = {"--method",   "lora",       "--task",    task_.string(),
                                     "--backbone", "t5-nano-lm", "--out",     path(folder_names[2]),
                                     "--seed",     "4",          "--threads", "1",
                                     "--steps",    "24"};
    for (const char* setting : {"train.batch_size=4", "train.evaluate_every=0", "train.evaluate_at_start=false",
                                "train.validation_limit=2", "train.learning_rate=0.01"})
      lora.insert(lora.end(), {"--set", setting});
    lora.insert(lora.end(), ranked.begin(), ranked.end());
    ASSERT_EQ(run(lora).status, 0);
  }
  static void TearDownTestSuite() { delete scratch_; }
  static fs::path folder(int i) { return only_run(scratch_->path() / folder_names[i]); }
  static std::string path(const std::string& name) { return (scratch_->path() / name).string(); }
  static Scratch* scratch_;
  static fs::path task_;
};
Scratch* Exchange::scratch_ = nullptr;
fs::path Exchange::task_;

TEST_F(Exchange, APromptGoesOutAndComesBackToTheBit) {
  for (const std::string format : {"huggingface", "google"}) {
    const Printed out = run({"export", folder(0).string(), path(format), "--format", format, "--json"});
    ASSERT_EQ(out.status, 0) << out.err;
    EXPECT_EQ(json::parse(out.out).at("elements"), 4 * 256);
    const Printed in = run({"import", path(format), "--backbone", "t5-nano-lm", "--out", path("back-" + format)});
    ASSERT_EQ(in.status, 0) << in.err;
    EXPECT_THAT(in.out, AllOf(HasSubstr("prompt_tuning, read from " + format + " format"), HasSubstr("length=4"),
                              HasSubstr("1,024 numbers in 1 tensors"), HasSubstr("wrote ")));
    EXPECT_EQ(file_text(path("back-" + format) + "/adapter.safetensors"),
              file_text(folder(0) / "adapter" / "adapter.safetensors"));
  }
  const json config = json::parse(file_text(path("huggingface") + "/adapter_config.json"));
  EXPECT_EQ(config.at("peft_type"), "PROMPT_TUNING");
  EXPECT_EQ(config.at("task_type"), "SEQ_2_SEQ_LM");
  EXPECT_EQ(config.at("base_model_name_or_path"), "t5-nano-lm");
  EXPECT_EQ(config.at("inference_mode"), true);
  for (const char* key : {"revision", "auto_mapping", "modules_to_save"}) EXPECT_TRUE(config.at(key).is_null());
  const Printed told = run({"import", path("google") + "/adapter.npy", "--backbone", "t5-nano-lm"});
  EXPECT_THAT(told.out, HasSubstr("nothing was written"));
}

TEST_F(Exchange, MistakesSayWhatThereIs) {
  const std::string one = folder(0).string();
  expect_mistake({"export", one, path("x"), "--format", "huggingfase"}, "does not support the format 'huggingfase'",
                 "did you mean 'huggingface'?");
  expect_mistake({"export", one, path("x"), "--format", "merged"}, "prompt_tuning cannot be merged",
                 "remaining hooks at encoder.input");
  expect_mistake({"export", "no-such-run", path("x"), "--format", "google"}, "no-such-run", "--out");
  expect_mistake({"import", one, "--backbone", "t5-nano-lm"}, "already in peft-bench's format", "as it is");
  expect_mistake({"import", path("nothing"), "--backbone", "t5-nano-lm"}, "no such folder or file", "correct the path");
  scratch_->write("odd/adapter_config.json", "{\"peft_type\": \"NO_SUCH_TYPE\"}");
  expect_mistake({"import", path("odd"), "--backbone", "t5-nano-lm"}, "no tensors", "adapter_model.safetensors");
  fs::copy(folder(0) / "adapter" / "adapter.safetensors", path("odd") + "/adapter_model.safetensors");
  expect_mistake({"import", path("odd"), "--backbone", "t5-nano-lm"}, "peft_type NO_SUCH_TYPE",
                 "prompt_tuning (huggingface)");
  scratch_->write("damaged/adapter_config.json", "{");
  expect_mistake({"import", path("damaged"), "--backbone", "t5-nano-lm"}, "adapter_config.json is not JSON",
                 "save the adapter again");
  EXPECT_FALSE(fs::exists(path("x")));
  const fs::path kept = scratch_->write("filled/adapter_config.json", "mine");
  expect_mistake({"export", one, path("filled"), "--format", "huggingface"}, "already exists", "choose another folder");
  EXPECT_EQ(file_text(kept), "mine");
}

TEST_F(Exchange, ForwardRefusesWhatWritesNoTokens) {
  scratch_->write("ids.json", "[[5, 6, 1]]");
  const auto forward = [&](const fs::path& out, const std::vector<std::string>& more) {
    fs::path adapter;
    for (const auto& entry : fs::directory_iterator(out)) adapter = entry.path() / "adapter";
    std::vector<std::string> words = {"forward",        "--backbone",     "t5-nano-lm",
                                      "--input-ids",    path("ids.json"), "--adapter",
                                      adapter.string(), "--output",       path("states.safetensors")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const auto untrained = [&](const std::string& method, const fs::path& out, const std::string& setting) {
    return run({"--method", method, "--task", task_.string(), "--backbone", "t5-nano-lm", "--out", out.string(),
                "--threads", "1", "--set", setting, "--set", "train.steps=0", "--set", "eval.examples=2"});
  };
  const fs::path head = path("head"), mixture = path("mixture");
  ASSERT_EQ(untrained("head_tuning", head, "train=head").status, 0);
  expect_mistake(forward(head, {"--labels", path("ids.json")}), "scores classes", "peft-bench eval");
  EXPECT_EQ(run(forward(head, {})).status, 0);
  EXPECT_THAT(file_text(path("states.safetensors")), HasSubstr("class_log_probabilities"));
  ASSERT_EQ(untrained("soft_words", mixture, "prompts=[1: It] {input}|{input} [2: It was]").status, 0);
  expect_mistake(forward(mixture, {}), "several copies", "peft-bench eval");
}

TEST_F(Exchange, TrainingBeginsWithAnAdapterARunOrAFile) {
  const fs::path adapter = folder(0) / "adapter" / "adapter.safetensors";
  std::map<std::string, json> configs;
  for (const std::string& start : {folder(0).string(), (folder(0) / "adapter").string(), adapter.string()}) {
    const fs::path out = path("from" + std::to_string(configs.size()));
    const Printed printed = run(short_run(task_, out, {"--set", "train.steps=0", "--init-from", start}));
    ASSERT_EQ(printed.status, 0) << printed.err;
    EXPECT_EQ(file_text(only_run(out) / "adapter" / "adapter.safetensors"), file_text(adapter));
    configs[start] = json::parse(file_text(only_run(out) / "record.json")).at("config");
    EXPECT_EQ(configs[start].at("init_from").get<std::string>().size(), 64u);  // what was in it, not where it lay
  }
  EXPECT_EQ(configs.at(adapter.string()), configs.at((folder(0) / "adapter").string()));
  // Another start is another run; scoring it again does not need the start any more.
  const fs::path copy = path("start.safetensors"), out = path("gone");
  fs::copy(folder(1) / "adapter" / "adapter.safetensors", copy);
  ASSERT_EQ(run(short_run(task_, out, {"--set", "train.steps=0", "--init-from", copy.string()})).status, 0);
  EXPECT_NE(only_run(out).filename(), only_run(path("from2")).filename());
  fs::remove(copy);
  EXPECT_EQ(run({"eval", only_run(out).string()}).status, 0);
}

TEST_F(Exchange, AStartThatDoesNotFitIsRefused) {
  const auto start = [&](const std::string& from, const std::vector<std::string>& more) {
    std::vector<std::string> words = short_run(task_, path("refused"), more);
    words.insert(words.end(), {"--init-from", from});
    return words;
  };
  expect_mistake(start((folder(0) / "adapter").string(), {"--set", "length=5"}), "do not fit the plan",
                 "--set length=4");
  expect_mistake(start(path("nothing.safetensors"), {}), "nothing to initialise from", "--init-from");
  expect_mistake({"--method", "lora", "--task", task_.string(), "--backbone", "t5-nano-lm", "--out", path("refused"),
                  "--init-from", folder(0).string()},
                 "was made by another method", "prompt_tuning");
  expect_mistake({"--method", "prompt_tuning", "--set", "init_from=x"}, "no parameter 'init_from'", "--init-from PATH");
}

// A prefix is computed from an MLP that an adapter does not hold: the run does.
TEST_F(Exchange, ADerivedValueNeedsItsSources) {
  const auto prefix = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> words = {
        "--method", "prefix_tuning", "--task", task_.string(),      "--backbone", "t5-nano-lm", "--out",
        path(out),  "--threads",     "1",      "--steps",           "2",          "--set",      "length=2",
        "--set",    "hidden=8",      "--set",  "train.batch_size=2"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  ASSERT_EQ(run(prefix("prefix", {})).status, 0);
  const fs::path first = only_run(path("prefix"));
  expect_mistake(prefix("refused", {"--init-from", (first / "adapter").string()}),
                 "a computed value without the parameters", "the folder of the run");
  const Printed printed = run(prefix("goes-on", {"--init-from", first.string(), "--set", "train.steps=0"}));
  ASSERT_EQ(printed.status, 0) << printed.err;
  EXPECT_EQ(file_text(only_run(path("goes-on")) / "adapter" / "adapter.safetensors"),
            file_text(first / "adapter" / "adapter.safetensors"));
}

TEST_F(Exchange, AnEnsembleEqualsItsRunsAskedOneByOne) {
  std::vector<std::vector<json>> alone;
  std::vector<std::string> words = {"ensemble"};
  for (int i = 0; i < 3; ++i) {
    words.push_back(folder(i).string());
    ASSERT_EQ(run({"eval", folder(i).string(), "--predictions", path("alone.jsonl")}).status, 0);
    alone.push_back(lines(path("alone.jsonl")));
  }
  words.insert(words.end(), {"--predictions", path("votes.jsonl"), "--json"});
  const Printed printed = run(words);
  ASSERT_EQ(printed.status, 0) << printed.err;
  const std::vector<json> votes = lines(path("votes.jsonl"));
  ASSERT_EQ(votes.size(), 24u);
  int correct = 0, disputed = 0;
  for (std::size_t i = 0; i < votes.size(); ++i) {
    std::vector<int> labels;
    for (std::size_t m = 0; m < alone.size(); ++m) {
      EXPECT_EQ(votes[i].at("votes").at(m), alone[m][i].at("prediction")) << i;
      if (alone[m][i].at("label") >= 0) labels.push_back(alone[m][i].at("label"));
    }
    int majority = -1;  // the label with most votes, of equal ones that of the first run
    for (const int label : labels)
      if (majority < 0 ||
          std::count(labels.begin(), labels.end(), label) > std::count(labels.begin(), labels.end(), majority))
        majority = label;
    EXPECT_EQ(votes[i].at("label"), majority) << i;
    correct += votes[i].at("correct").get<bool>();
    disputed += votes[i].at("entropy") > 0;
  }
  EXPECT_GT(disputed, 0) << "the runs agree too much for this test";
  const json result = json::parse(printed.out);
  EXPECT_EQ(result.at("examples"), 24);
  const json& accuracy = result.at("metrics").at(0);
  EXPECT_NEAR(accuracy.at("ensemble"), correct / 24.0, 1e-9);
  double sum = 0, best = 0;
  for (int i = 0; i < 3; ++i) {
    const json record = json::parse(file_text(folder(i) / "record.json"));
    const double own = record.at("metrics").at(0).at("value");
    EXPECT_EQ(result.at("members").at(i).at("metrics").at("accuracy"), own);
    sum += own;
    best = std::max(best, own);
  }
  EXPECT_NEAR(accuracy.at("average"), sum / 3, 1e-9);
  EXPECT_EQ(accuracy.at("best"), best);
  EXPECT_GE(result.at("mean_vote_entropy"), 0);
  words.resize(4);
  EXPECT_THAT(run(words).out, AllOf(HasSubstr("3 runs on parity, test split, 24 examples"), HasSubstr("average"),
                                    ContainsRegex("ensemble +[01]\\."), HasSubstr("vote entropy")));
}

TEST_F(Exchange, RunsThatCannotVoteTogetherAreRefused) {
  const fs::path out = path("greedy");
  ASSERT_EQ(run(short_run(task_, out, {"--set", "eval.mode=greedy", "--set", "train.steps=0"})).status, 0);
  expect_mistake({"ensemble", folder(0).string(), only_run(out).string()}, "different evaluation settings",
                 "the same evaluation settings");
  expect_mistake({"ensemble"}, "RUN", "--help");
  // S5: a copy is the same run.
  fs::copy(folder(0), path("copy"), fs::copy_options::recursive);
  expect_mistake({"ensemble", folder(0).string(), path("copy")}, "duplicate run", "remove one of them");
}

TEST_F(Exchange, NeighborsFindTheLabelsOfAPromptThatBeganWithThem) {
  const fs::path out = path("began");
  ASSERT_EQ(run(short_run(task_, out, {"--set", "init=class_label", "--set", "train.steps=0"})).status, 0);
  const std::string began = only_run(out).string();
  const Printed printed = run({"neighbors", began, "--json"});
  ASSERT_EQ(printed.status, 0) << printed.err;
  const json result = json::parse(printed.out);
  EXPECT_EQ(result.at("tensor"), "encoder.input.prompt");
  EXPECT_EQ(result.at("rows").size(), 4u);
  EXPECT_EQ(result.at("rows").at(0).size(), 5u);
  std::size_t whole = 0;  // labels of one token are their row themselves
  for (std::size_t i = 0; i < 2; ++i) {
    const json& label = result.at("prompt").at("labels").at(i);
    if (label.at("ids").size() != 1) continue;
    ++whole;
    EXPECT_EQ(result.at("rows").at(i).at(0).at("id"), label.at("ids").at(0));
    EXPECT_NEAR(result.at("rows").at(i).at(0).at("cosine"), 1, 1e-5);
    EXPECT_GE(label.at("rows"), 1);
  }
  ASSERT_GE(whole, 1u);
  EXPECT_GE(result.at("prompt").at("label_persistence_rate"), 0.5);
  EXPECT_LT(result.at("random_control").at("mean_nearest_cosine"), 0.6);
  EXPECT_EQ(json::parse(run({"neighbors", began, "--json", "--top", "2"}).out).at("rows").at(3).size(), 2u);
  EXPECT_THAT(run({"neighbors", began, "--labels", "sea,ship"}).out,
              AllOf(ContainsRegex("nearest words by cosine"), ContainsRegex("\\(sea [0-9]+, ship [0-9]+ rows\\)")));
  expect_mistake({"neighbors", began, "--tensor", "encoder.input.promt"}, "no prompt 'encoder.input.promt'",
                 "did you mean 'encoder.input.prompt'?");
  expect_mistake({"neighbors", began, "--top", "0"}, "--top", "--help");
}

}  // namespace
}  // namespace peftbench::exchange_test
