// An option that changes results changes the id of a run, and no other does.
#include "run/workbench.h"
#include "results/result_store.h"
#include "support/layers.h"

#include "support/program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace peftbench::workbench_test {

using namespace layers;

namespace {

using nlohmann::json;
using testing_support::Scratch;

constexpr const char* source_tree = PEFTBENCH_TEST_SOURCE_DIR;

// Options that are not part of the id, each with its reason.
const std::map<std::string, std::string> not_in_id = {
    {"data.cache", "texts and ids are the same whether files of them are kept or not"},
    {"data.memory_bytes", "texts and ids are the same in memory and in files"},
    {"eval.keep_inputs", "what a line of predictions.jsonl holds of the input is not scored"},
    {"log.tensorboard", "the event file repeats what log.jsonl holds"},
    {"device.tf32", "the CPU has no TensorFloat-32"},
    {"device.deterministic", "all algorithms of the CPU are"},
};
// train.checkpoint_every, train.log_every and train.encoder_cache_bytes change no score, but are part of the id: those
// of published runs include them. threads changes the last bits of results, so it belongs to the id.

using Settings = std::vector<std::pair<std::string, GivenValue>>;

// peftbench::run::Setup: a Test has a private member Setup.
class RunIdentity : public testing::Test {
 protected:
  RunIdentity() : films_(write_task("tasks", "films", rows())), other_(write_task("tasks", "books", rows())) {
    fs::create_directories(data());
    resources_ = open(data());
  }

  fs::path data() const { return scratch_.path() / "data"; }
  fs::path write(const std::string& name, const std::string& text) const { return scratch_.write(name, text); }
  static std::string rows(const std::string& word = "film") {
    std::string text;
    for (int i = 0; i < 40; ++i)
      text += R"({"text": ")" + word + " number " + std::to_string(i) + R"(", "side": ")" + (i % 2 ? "good" : "bad") +
              "\"}\n";
    return text;
  }
  static std::string yaml(const std::string& name, const std::string& source) {
    return "name: " + name + "\nsource: " + source +
           "\ninput: \"review: {text}\"\ntarget: \"{side}\"\nlabels: [bad, good]\nprefix: review\n"
           "split: {seed: 0, validation: 8, test: 8}\nlimits: {input: 32, target: 6}\n";
  }
  // The task's file, with its rows beside it.
  fs::path write_task(const std::string& folder, const std::string& name, const std::string& text,
                      const std::string& more = "") const {
    write(folder + "/" + name + ".jsonl", text);
    return write(folder + "/" + name + ".yaml", yaml(name, "{file: " + name + ".jsonl" + more + "}"));
  }

  static std::unique_ptr<Resources> open(const fs::path& data_root) {
    return std::make_unique<Resources>(
        Paths{source_tree, data_root, {PEFTBENCH_TEST_BUILD_DIR "/lib/peftbench/plugins/prompt_tuning.so"}});
  }

  static peftbench::run::Setup set_up_with(Resources& resources, const fs::path& task,
                                           const std::vector<Setting>& settings) {
    ConfigRequest request;
    request.method = "prompt_tuning";
    request.flags = {{option_key::task, task.string(), "--task"},
                     {option_key::backbone, "t5-nano-lm", "--backbone"},
                     {option_key::threads, "1", "--threads"},  // else the machine decides
                     {option_key::device, "cpu", "--device"}};
    request.settings = settings;
    return set_up(resources, request, BackboneNeed::weights);
  }
  peftbench::run::Setup set_up_with(const Settings& settings) const {
    std::vector<Setting> list;
    for (const auto& [key, value] : settings) list.push_back({key, value, "the test"});
    return set_up_with(*resources_, films_, list);
  }
  std::string id(const Settings& settings = {}) const { return expected_run_id(*resources_, set_up_with(settings)); }
  std::string id_of_task(const fs::path& task) const {
    return expected_run_id(*resources_, set_up_with(*resources_, task, {}));
  }
  // As --set takes them, in this order.
  std::string id_of_words(const std::vector<std::string>& words) const {
    std::vector<Setting> settings;
    for (const std::string& word : words) settings.push_back(parse_set(word));
    return expected_run_id(*resources_, set_up_with(*resources_, films_, settings));
  }

  // What two configurations have beside the option in which they differ.
  Settings needs_of(const std::string& key) const {
    if (key == option_key::label_map) return {{option_key::eval_tasks, Names{other_.string()}}};
    if (key == "train.adafactor.step_offset") return {{"train.adafactor.initial_step", "100"}};
    if (key == "data.cache") return {{"data.memory_bytes", "0"}};                 // else there is nothing to keep
    if (key == option_key::backend) return {{option_key::backend, "reference"}};  // `auto` is another name of one
    return {};
  }
  fs::path recorded_run() const {
    RunRecord record;
    record.config_hash = "of another identity";
    const fs::path file = write("other run/record.json", "");
    write_record(file, record);
    return file.parent_path();
  }
  // Another valid value than the one that the option has now; nothing if none is known.
  std::optional<GivenValue> other_value(const ParameterSchema& option, const json& now) const {
    const std::map<std::string, GivenValue> known = {
        {option_key::task, other_.string()},
        {option_key::backbone, "t5-nano-lm-half"},
        {option_key::init_from, write("start.safetensors", "some values").string()},
        {option_key::eval_tasks, Names{other_.string()}},
        {option_key::label_map, Names{"bad:dull"}},
        {option_key::continue_from, recorded_run().string()},
        {"data.memory_bytes", "0"},  // texts in a file
    };
    if (const auto found = known.find(option.name); found != known.end()) return found->second;
    if (now.is_boolean()) return now.get<bool>() ? "false" : "true";
    if (now.is_string() && !option.choices.empty()) {
      const auto place = std::find(option.choices.begin(), option.choices.end(), now.get<std::string>());
      if (option.choices.size() < 2 || place == option.choices.end()) return std::nullopt;
      return place + 1 == option.choices.end() ? option.choices.front() : *(place + 1);
    }
    const auto allowed = [&](double value) {
      return !option.range || (option.range->first <= value && value <= option.range->second);
    };
    if (now.is_number_integer()) {
      for (const std::int64_t step : {1, -1})
        if (const std::int64_t value = now.get<std::int64_t>() + step; allowed(static_cast<double>(value)))
          return std::to_string(value);
    } else if (now.is_number()) {
      const double value = now.get<double>() == 0 ? 0.5 : now.get<double>() / 2;
      if (allowed(value)) return json(value).dump();
    }
    return std::nullopt;
  }

  const Scratch scratch_;
  const fs::path films_, other_;
  std::unique_ptr<Resources> resources_;
};

TEST_F(RunIdentity, EveryOptionThatChangesResultsChangesTheIdAndNoOther) {
  for (const ParameterSchema& option : option_schema().parameters()) {
    SCOPED_TRACE(option.name);
    if (option.name == option_key::device) continue;  // there is one: tests/device has another
    const Settings needs = needs_of(option.name);
    const json now = to_json(set_up_with(needs).config.options).at(option.name);
    const std::optional<GivenValue> other = other_value(option, now);
    if (!other) {
      ADD_FAILURE() << "no other value is known for this option: add one to other_value()";
      continue;
    }
    Settings changed = needs;
    changed.emplace_back(option.name, *other);
    ASSERT_NE(to_json(set_up_with(changed).config.options).at(option.name), now) << "the test changes nothing";
    if (!not_in_id.contains(option.name)) {
      EXPECT_NE(id(needs), id(changed));
      continue;
    }
    // Each reads its data itself.
    resources_ = open(scratch_.path() / (option.name + " before"));
    const std::string before = id(needs);
    resources_ = open(scratch_.path() / (option.name + " after"));
    EXPECT_EQ(before, id(changed)) << not_in_id.at(option.name);
  }
}

TEST_F(RunIdentity, ExceptionsAreOptions) {
  for (const auto& [key, reason] : not_in_id) {
    const auto& options = option_schema().parameters();
    EXPECT_TRUE(std::any_of(options.begin(), options.end(), [&](const auto& option) { return option.name == key; }))
        << key;
    EXPECT_FALSE(reason.empty()) << key;
  }
}

TEST_F(RunIdentity, IsOfTheMethodsParameters) {
  EXPECT_NE(id({{"set.length", "20"}}), id({{"set.length", "21"}}));
  EXPECT_NE(id({{"set.init", "class_label"}}), id({{"set.init", "sampled_vocab"}}));
  EXPECT_NE(id({{"set.init_words", Names{"bad"}}}), id({{"set.init_words", Names{"bad", "good"}}}));
}

TEST_F(RunIdentity, OfAFileItsContentCountsAndNotItsPath) {
  const auto with = [&](const std::string& key, const fs::path& file) {
    Settings settings = {{key, file.string()}};
    if (key != option_key::init_from) settings.emplace_back("set.init", "file");
    return id(settings);
  };
  for (const std::string& key : {std::string("set.init_file"), std::string(option_key::init_from)}) {
    const std::string folder = key + "/";
    const fs::path one = write(folder + "one/prompt.safetensors", "some values"),
                   copy = write(folder + "two/prompt.safetensors", "some values"),
                   other = write(folder + "three/prompt.safetensors", "other values");
    EXPECT_EQ(with(key, one), with(key, copy)) << key;
    EXPECT_NE(with(key, one), with(key, other)) << key;
  }
}

TEST_F(RunIdentity, TheOrderOfSettingsDoesNotCount) {
  const std::string base = id_of_words({"length=20", "train.steps=5", "eval.beams=2"});
  EXPECT_EQ(base, id_of_words({"eval.beams=2", "length=20", "train.steps=5"}));
  EXPECT_EQ(base, id_of_words({"length=9", "eval.beams=2", "train.steps=5", "length=20"})) << "the last one holds";
  EXPECT_NE(base, id_of_words({"length=20", "train.steps=5", "eval.beams=2", "length=9"}));
}

TEST_F(RunIdentity, LimitsOfReadingDoNotCount) {
  EXPECT_EQ(id_of_task(write_task("limited", "films", rows(), ", max_row_bytes: 1000, max_columns: 9")), id());
  EXPECT_EQ(id_of_task(write_task("narrow", "films", rows(), ", max_row_bytes: 900")), id());
}

TEST_F(RunIdentity, WhereDataLiesDoesNotCountAndWhatItSaysDoes) {
  EXPECT_EQ(id_of_task(write_task("elsewhere", "films", rows())), id());
  // Beside the task's file, and in the data folder.
  const fs::path alone = write("alone/films.yaml", yaml("films", "{file: films.jsonl}"));
  write("data/films/films.jsonl", rows());
  EXPECT_EQ(id_of_task(alone), id());
  // Another data folder.
  const std::string before = id();
  resources_ = open(scratch_.path() / "other data");
  EXPECT_EQ(id(), before);
  EXPECT_NE(id_of_task(write_task("changed", "films", rows("movie"))), before);
}

TEST_F(RunIdentity, IsKnownBeforeTheRunIsOpened) {
  const Settings settings = {{option_key::eval_tasks, Names{other_.string()}},
                             {option_key::init_from, write("start.safetensors", "some values").string()},
                             {"set.init", "file"},
                             {"set.init_file", write("prompt.safetensors", "a prompt").string()},
                             {"task.train_examples", "5"},
                             {"backbone.precision", "bfloat16"}};
  const peftbench::run::Setup setup = set_up_with(settings);
  EXPECT_EQ(expected_run_id(*resources_, setup), open_workbench(*resources_, setup).run_id());
}

}  // namespace
}  // namespace peftbench::workbench_test
