// An adapter that is read again: whole, the one that was meant, and checked alike whatever names it.
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

namespace peftbench::adapter_test {

using namespace layers;

namespace {

using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::run;

void expect_mistake(const std::vector<std::string>& words, const std::string& what, const std::string& hint) {
  const Printed printed = run(words);
  EXPECT_EQ(printed.status, 2) << words.front() << ": " << printed.err;
  EXPECT_EQ(printed.out, "");
  EXPECT_THAT(printed.err, AllOf(HasSubstr("peft-bench: "), HasSubstr(what), HasSubstr(hint)));
}

// A tensor of a .safetensors file, by a part of its name.
std::vector<float> floats(const fs::path& file, const std::string& part) {
  const std::string bytes = file_text(file);
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  const json header = json::parse(bytes.substr(8, size));
  for (const auto& [name, about] : header.items()) {
    if (name.find(part) == std::string::npos) continue;
    const std::size_t first = about.at("data_offsets").at(0), last = about.at("data_offsets").at(1);
    std::vector<float> values((last - first) / sizeof(float));
    std::memcpy(values.data(), bytes.data() + 8 + size + first, last - first);
    return values;
  }
  ADD_FAILURE() << "no tensor " << part;
  return {};
}

// Runs that all tests share: they are not changed.
class Adapters : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = new Scratch;
    task_ = write_task(*scratch_);
    ASSERT_EQ(run(short_run(task_, path("prompts"))).status, 0);
    ASSERT_EQ(run({"--method", "lora", "--task", task_.string(), "--backbone", "t5-nano-lm", "--out", path("loras"),
                   "--threads", "1", "--steps", "4", "--set", "train.batch_size=4", "--set", "train.learning_rate=0.01",
                   "--set", "train.warmup_steps=0"})
                  .status,
              0);
  }
  static void TearDownTestSuite() { delete scratch_; }
  static fs::path prompt() { return only_run(path("prompts")); }
  static fs::path lora_run() { return only_run(path("loras")); }
  static std::string path(const std::string& name) { return (scratch_->path() / name).string(); }
  static Scratch* scratch_;
  static fs::path task_;
};
Scratch* Adapters::scratch_ = nullptr;
fs::path Adapters::task_;

// hostile 3: a changed byte is noticed by whoever reads the adapter, by the hash in adapter.json or the record's.
TEST_F(Adapters, AnAdapterWithAChangedByteIsRefused) {
  const auto edited = [&](const std::string& name, bool own_hash, bool record_hash) {
    const fs::path folder = path(name);
    fs::copy(prompt(), folder, fs::copy_options::recursive);
    std::string bytes = file_text(folder / "adapter/adapter.safetensors");
    bytes.back() ^= 1;
    std::ofstream(folder / "adapter/adapter.safetensors", std::ios::binary) << bytes;
    const auto without = [](const fs::path& file) {
      json text = json::parse(file_text(file));
      EXPECT_EQ(text.at("adapter_hash").get<std::string>().size(), 64u);
      text["adapter_hash"] = "";
      text.erase("description_hash");
      std::ofstream(file) << text.dump();
    };
    if (!own_hash) without(folder / "adapter/adapter.json");
    if (!record_hash) without(folder / "record.json");
    return folder.string();
  };
  const json record = json::parse(file_text(prompt() / "record.json"));
  const std::string hash = record.at("adapter_hash");
  scratch_->write("ids.json", "[[5, 6, 1]]");
  const auto readers = [&](const std::string& folder) {
    std::vector<std::vector<std::string>> commands = {
        {"eval", folder},
        {"ensemble", folder, lora_run().string()},
        {"forgetting", folder},
        {"neighbors", folder},
        {"export", folder, path("exported"), "--format", "google"},
        {"forward", "--backbone", "t5-nano-lm", "--input-ids", path("ids.json"), "--adapter", folder, "--output",
         path("out.safetensors")},
        short_run(task_, path("never"), {"--set", "init=file", "--set", "init_file=" + folder + "/adapter"})};
    for (const char* start : {"/adapter", "/adapter/adapter.safetensors"})
      commands.push_back(short_run(task_, path("never"), {"--init-from", folder + start}));
    return commands;
  };
  for (const auto& [name, own, by_record] : {std::tuple{"flipped", true, true}, std::tuple{"flipped-own", true, false},
                                             std::tuple{"flipped-record", false, true}})
    for (const auto& words : readers(edited(name, own, by_record)))
      expect_mistake(words, "adapter.safetensors was changed", hash);
  // A number in the description counts as much as one in the tensors.
  fs::copy(prompt(), path("redescribed"), fs::copy_options::recursive);
  std::string text = file_text(path("redescribed") + "/adapter/adapter.json");
  text.replace(text.find("\"length\": 4"), 11, "\"length\": 5");
  std::ofstream(path("redescribed") + "/adapter/adapter.json") << text;
  for (const auto& words : readers(path("redescribed"))) expect_mistake(words, "adapter.json was changed", "SHA-256");
  // The adapter alone knows its hash; files from before there were any are taken as they are.
  fs::copy(path("flipped") + "/adapter", path("alone"));
  expect_mistake({"neighbors", path("alone")}, "adapter.safetensors was changed", hash);
  EXPECT_EQ(run({"neighbors", edited("old", false, false)}).status, 0);
}

// S24: one check for every form of a start.
TEST_F(Adapters, EveryFormOfAStartTellsOtherParameters) {
  const std::string lora = lora_run().string();
  ASSERT_EQ(run({"export", lora, path("lora-hf"), "--format", "huggingface"}).status, 0);
  for (const std::string& start : {lora, lora + "/adapter", lora + "/adapter/adapter.safetensors", path("lora-hf"),
                                   path("lora-hf") + "/adapter_model.safetensors"}) {
    const fs::path out = path("alpha");
    const Printed printed = run({"--method", "lora", "--task", task_.string(), "--backbone", "t5-nano-lm", "--out",
                                 out.string(), "--steps", "0", "--set", "alpha=80", "--init-from", start});
    ASSERT_EQ(printed.status, 0) << printed.err;
    const json warnings = json::parse(file_text(only_run(out) / "record.json")).at("warnings");
    ASSERT_FALSE(warnings.empty()) << start;
    EXPECT_THAT(warnings.dump(), AllOf(HasSubstr("other method parameters"), HasSubstr("--set alpha=16"))) << start;
    fs::remove_all(out);
  }
}

// S24: nothing trains a buffer, so it must be what the configuration says.
TEST_F(Adapters, ABufferOfAnotherConfigurationIsRefused) {
  const auto soft = [&](const std::string& out, const std::string& prompts, const std::vector<std::string>& more) {
    std::vector<std::string> words = {
        "--method", "soft_words",         "--task", task_.string(), "--backbone", "t5-nano-lm", "--out",
        path(out),  "--threads",          "1",      "--steps",      "2",          "--set",      "train.batch_size=2",
        "--set",    "prompts=" + prompts, "--set",  "max_layer=0"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const std::string one = "{input} [2: It was] <extra_id_0>.", other = "{input} [2: was It] <extra_id_0>.";
  ASSERT_EQ(run(soft("soft", one, {})).status, 0);
  const fs::path first = only_run(path("soft"));
  for (const fs::path& start : {first, first / "adapter", first / "adapter/adapter.safetensors"}) {
    expect_mistake(soft("never", other, {"--init-from", start.string()}), "encoder.input.words", "prompts=" + one);
    EXPECT_EQ(run(soft("soft-again", one, {"--init-from", start.string(), "--set", "train.steps=0"})).status, 0);
  }
  fs::copy(first / "adapter/adapter.safetensors", path("bare.safetensors"));  // says nothing of its parameters
  expect_mistake(soft("never", other, {"--init-from", path("bare.safetensors")}), "encoder.input.words",
                 "do not use --init-from");
  EXPECT_EQ(run(soft("soft-bare", one, {"--init-from", path("bare.safetensors"), "--set", "train.steps=0"})).status, 0);
  // The weights of a mixture are moved by training: a buffer too, and the start's.
  const std::string two = "[1: It] {input}|{input} [2: It was]";
  ASSERT_EQ(run(soft("mixed", two, {})).status, 0);
  const fs::path mixed = only_run(path("mixed"));
  const Printed on = run(soft("mixed-on", two, {"--init-from", mixed.string(), "--set", "train.steps=0"}));
  ASSERT_EQ(on.status, 0) << on.err;
  EXPECT_EQ(file_text(only_run(path("mixed-on")) / "adapter/adapter.safetensors"),
            file_text(mixed / "adapter/adapter.safetensors"));
}

// S24, S4: the classes of a head are places in it.
TEST_F(Adapters, AHeadOfOtherClassesIsNoStart) {
  const auto head = [&](const fs::path& task, const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--method",   "head_tuning", "--task",  task.string(), "--backbone",
                                      "t5-nano-lm", "--out",       path(out), "--threads",   "1",
                                      "--steps",    "1",           "--set",   "train=head"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  ASSERT_EQ(run(head(task_, "classes", {})).status, 0);
  const fs::path first = only_run(path("classes"));
  std::string text = file_text(task_);
  text.replace(text.find("labels: [even, odd]"), 19, "labels: [odd, even]");
  const fs::path turned = scratch_->write("turned.yaml", text);
  for (const fs::path& start : {first, first / "adapter"}) {
    expect_mistake(head(turned, "never", {"--init-from", start.string()}), "scores other classes", "odd, even");
    EXPECT_EQ(run(head(task_, "classes-again", {"--init-from", start.string()})).status, 0);
  }
}

// S25: words are as the run has them, and a word with its change is their sum.
TEST_F(Adapters, NeighborsCompareWhatIsInUse) {
  const auto trained = [&](const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> words = {"--task",     task_.string(),
                                      "--backbone", "t5-nano-lm",
                                      "--out",      path(out),
                                      "--threads",  "1",
                                      "--steps",    "3",
                                      "--set",      "train.batch_size=2",
                                      "--set",      "train.learning_rate=0.05",
                                      "--set",      "train.warmup_steps=0"};
    words.insert(words.begin(), more.begin(), more.end());
    EXPECT_EQ(run(words).status, 0);
    return only_run(path(out));
  };
  // A table that training moved far: cosines with the frozen one would be others.
  const fs::path joint = trained("joint", {"--method", "p_tuning", "--set", "mode=joint", "--set", "backbone_rate=1",
                                           "--set", "template=[2] {input}"});
  const json own = json::parse(run({"neighbors", joint.string(), "--json"}).out);
  EXPECT_EQ(own.at("tensor"), "encoder.input.prompt");
  const fs::path file = joint / "adapter/adapter.safetensors";
  const std::vector<float> row = floats(file, "encoder.input.prompt"), table = floats(file, "shared.weight");
  double best = -1;
  for (std::size_t id = 0; id < own.at("words").get<std::size_t>(); ++id) {
    double dot = 0, rows = 0, words = 0;
    for (std::size_t i = 0; i < 256; ++i) {
      const double a = row[i], b = table[id * 256 + i];
      dot += a * b;
      rows += a * a;
      words += b * b;
    }
    best = std::max(best, dot / std::sqrt(rows * words));
  }
  EXPECT_NEAR(own.at("rows").at(0).at(0).at("cosine").get<double>(), best, 1e-5);

  const fs::path soft =
      trained("words", {"--method", "soft_words", "--set", "prompts={input} [2: It was] <extra_id_0>."});
  const auto rows = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"neighbors", soft.string(), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return json::parse(run(words).out);
  };
  const json sum = rows({});
  EXPECT_EQ(sum.at("tensor"), "encoder.input");
  EXPECT_EQ(rows({"--tensor", "encoder.input.words"}).at("rows").at(0).at(0).at("cosine").get<double>() > 0.9999, true);
  EXPECT_NE(sum.at("rows"), rows({"--tensor", "encoder.input.words"}).at("rows"));
  EXPECT_NE(sum.at("rows"), rows({"--tensor", "encoder.input.delta"}).at("rows"));
}

// An adapter's folder is scored as it is: another program's, or one of ours without its run.
TEST_F(Adapters, AnAdaptersFolderIsScored) {
  const auto score = [&](const std::vector<std::string>& words) {
    const Printed printed = run(words);
    EXPECT_EQ(printed.status, 0) << printed.err;
    return json::parse(printed.out.empty() ? "{}" : printed.out);
  };
  const json own = score({"eval", lora_run().string(), "--json"});
  EXPECT_EQ(score({"eval", (lora_run() / "adapter").string(), "--json"}).at("metrics"), own.at("metrics"));
  ASSERT_EQ(run({"export", lora_run().string(), path("hf"), "--format", "huggingface"}).status, 0);
  const json foreign = score({"eval", path("hf"), "--backbone", "t5-nano-lm", "--task", task_.string(), "--threads",
                              "1", "--predictions", path("answers.jsonl"), "--json"});
  for (const char* key : {"metrics", "loss", "examples", "illegal_rate"})
    EXPECT_EQ(foreign.at(key), own.at(key)) << key;
  EXPECT_THAT(file_text(path("answers.jsonl")), HasSubstr("prediction"));
  fs::copy(lora_run() / "adapter", path("moved"));
  EXPECT_EQ(score({"eval", path("moved"), "--task", task_.string(), "--threads", "1", "--json"}).at("metrics"),
            own.at("metrics"));
  const json ranked = score({"eval", path("hf"), "--backbone", "t5-nano-lm", "--task", task_.string(), "--threads", "1",
                             "--set", "eval.mode=rank", "--json"});
  EXPECT_EQ(ranked.at("examples"), 24);
  expect_mistake({"eval", path("hf"), "--task", task_.string()}, "backbone of the adapter is unknown", "--backbone");
  expect_mistake({"eval", path("hf"), "--backbone", "t5-nano-lm"}, "does not record its task", "--task NAME");
  expect_mistake({"eval", path("hf"), "--backbone", "t5-nano-lm", "--task", task_.string(), "--set", "rank=4"},
                 "set.rank", "a setting of eval");
  expect_mistake({"eval", lora_run().string(), "--backbone", "t5-nano-lm"}, "its own method, backbone", "remove them");
  fs::create_directories(path("several"));
  fs::copy(path("hf"), path("several") + "/one");
  expect_mistake({"eval", path("several"), "--backbone", "t5-nano-lm"}, "folder of several adapters", "several/one");
}

// S12: what the file lacks is said by whoever reads it.
TEST_F(Adapters, NotesOfAnAdapterReachTheUser) {
  ASSERT_EQ(run({"export", lora_run().string(), path("noted"), "--format", "huggingface"}).status, 0);
  json config = json::parse(file_text(path("noted") + "/adapter_config.json"));
  config["target_modules"] = {"k", "q", "v"};
  config["new_entry"] = true;
  std::ofstream(path("noted") + "/adapter_config.json") << config.dump();
  scratch_->write("ids.json", "[[5, 6, 1]]");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"import", path("noted"), "--backbone", "t5-nano-lm"},
           {"eval", path("noted"), "--backbone", "t5-nano-lm", "--task", task_.string()},
           {"export", path("noted"), path("noted-on"), "--backbone", "t5-nano-lm", "--format", "huggingface"},
           {"forward", "--backbone", "t5-nano-lm", "--input-ids", path("ids.json"), "--adapter", path("noted"),
            "--output", path("out.safetensors")}}) {
    const Printed printed = run(words);
    EXPECT_EQ(printed.status, 0) << printed.err;
    EXPECT_THAT(printed.err, AllOf(HasSubstr("warning: the adapter has no matrices for"), HasSubstr("'new_entry'")))
        << words.front();
  }
}

// hostile 15
TEST_F(Adapters, SizesThatNoMachineHoldsAreTheUsers) {
  for (const char* setting : {"length=1000000000000", "length=9223372036854775807", "length=1000001"})
    expect_mistake({"params", "--backbone", "t5-nano-lm", "--method", "prompt_tuning", "--set", setting}, "length",
                   "1 … 1000000");
}

TEST_F(Adapters, WhatCannotBeExportedIsSaidBeforeTraining) {
  const auto dry = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--method", "prefix_tuning", "--backbone", "t5-nano-lm",
                                      "--task",   task_.string(),  "--dry-run"};
    words.insert(words.end(), more.begin(), more.end());
    const Printed printed = run(words);
    EXPECT_EQ(printed.status, 0) << printed.err;
    return printed.out;
  };
  EXPECT_THAT(dry({}), HasSubstr("cannot be exported as huggingface"));
  EXPECT_THAT(dry({"--set", "attentions=decoder", "--set", "compatibility=huggingface"}),
              testing::AllOf(HasSubstr("nothing was trained"), testing::Not(HasSubstr("cannot be exported"))));
}

}  // namespace
}  // namespace peftbench::adapter_test
