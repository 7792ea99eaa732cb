#include "adapters/foreign.h"
#include "support/layers.h"

#include "formats/safetensors.h"
#include "support/program.h"

#include <peftbench/error.h>

#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <limits>

namespace peftbench::foreign_test {

using namespace layers;

namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::Scratch;

// A folder as peft writes it, with one tensor and these entries.
ForeignAdapter adapter_with(const Scratch& scratch, const std::string& entries) {
  ForeignAdapter adapter;
  adapter.config["peft_type"] = "LORA";
  adapter.tensors["w"] = at::ones({2});
  write_foreign_adapter(scratch.path(), adapter, "t5");
  scratch.write("adapter_config.json", "{" + entries + "}");
  return read_foreign_adapter(scratch.path());
}

TEST(ForeignAdapters, EntriesOfEveryFormAreSeen) {
  const Scratch scratch;
  const ForeignAdapter adapter = adapter_with(
      scratch,
      R"("none": null, "flag": true, "whole": 3, "real": 0.5, "text": "a", "texts": ["a", "b"], "empty": [],
         "numbers": {"v": 0.5, "q": 2}, "list": [7, 8], "mixed": [7, "a"], "nested": {"a": {"b": 1}})");
  EXPECT_EQ(adapter.text("none", "x"), "x");
  EXPECT_TRUE(adapter.flag("flag", false));
  EXPECT_EQ(adapter.integer("whole", 0), 3);
  EXPECT_EQ(adapter.real("whole", 0), 3);
  EXPECT_EQ(adapter.real("real", 0), 0.5);
  EXPECT_THAT(adapter.names("texts"), ElementsAre("a", "b"));
  EXPECT_TRUE(adapter.names("empty").empty());
  EXPECT_EQ(adapter.numbers("numbers"), (ForeignNumbers{{"v", 0.5}, {"q", 2}}));  // S10: as they stand
  EXPECT_THAT(adapter.integers("list"), ElementsAre(7, 8));
  EXPECT_THAT(adapter.integers("whole"), ElementsAre(3));
  // A format must see that these are set.
  EXPECT_EQ(adapter.text("mixed"), R"([7,"a"])");
  EXPECT_EQ(adapter.text("nested"), R"({"a":{"b":1}})");
}

TEST(ForeignAdapters, WholeNumbersAreWrittenAsSuch) {
  const Scratch scratch;
  ForeignAdapter adapter;
  adapter.config = {{"peft_type", "LORA"}, {"rank_pattern", ForeignNumbers{{"q", 2}, {"v", 0.5}}}};
  adapter.tensors["w"] = at::ones({2});
  write_foreign_adapter(scratch.path(), adapter, "t5");
  const auto config = nlohmann::json::parse(testing_support::file_text(scratch.path() / "adapter_config.json"));
  EXPECT_TRUE(config["rank_pattern"]["q"].is_number_integer());  // peft builds no matrix of 2.0 rows
  EXPECT_EQ(config["rank_pattern"]["v"], 0.5);
  EXPECT_EQ(config["base_model_name_or_path"], "t5");
  EXPECT_EQ(read_foreign_adapter(scratch.path()).numbers("rank_pattern").at(0).second, 2);
}

class Foreign : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("peftbench-foreign-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string refusal() const {
    try {
      read_foreign_adapter(folder_);
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "read";
  }
  fs::path folder_;
};

TEST_F(Foreign, WhatIsWrittenIsReadAgainAndHasWhatEveryDescriptionHas) {
  ForeignAdapter adapter;
  adapter.config = {{"peft_type", "X"}, {"r", int64_t{3}}, {"scale", 0.1}, {"modules", Names{"q"}}};
  adapter.tensors["w"] = at::ones({2, 3}).t();
  EXPECT_EQ(write_foreign_adapter(folder_ / "out", adapter, "org/model"),
            folder_ / "out" / "adapter_model.safetensors");
  const ForeignAdapter again = read_foreign_adapter(folder_ / "out");
  for (const auto& [key, value] : adapter.config) EXPECT_EQ(again.config.at(key), value) << key;
  EXPECT_TRUE(again.tensor("w").equal(adapter.tensors["w"]));
  const auto json = nlohmann::json::parse(read_text(folder_ / "out" / "adapter_config.json"));
  EXPECT_EQ(json.at("base_model_name_or_path"), "org/model");
  EXPECT_EQ(json.at("task_type"), "SEQ_2_SEQ_LM");
  EXPECT_EQ(json.at("inference_mode"), true);
  for (const char* key : {"auto_mapping", "modules_to_save", "revision"}) EXPECT_TRUE(json.at(key).is_null()) << key;
  // Nothing of the writing is left.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "out"), fs::directory_iterator()), 2);
}

TEST_F(Foreign, ABareArrayIsAFile) {
  ForeignAdapter adapter;
  adapter.tensors[""] = at::ones({2, 3});
  EXPECT_EQ(write_foreign_adapter(folder_ / "p.npy", adapter, ""), folder_ / "p.npy");
  EXPECT_EQ(write_foreign_adapter(folder_ / "p", adapter, ""), folder_ / "p" / "adapter.npy");
  for (const fs::path& path : {folder_ / "p.npy", folder_ / "p", folder_ / "p" / "adapter.npy"}) {
    EXPECT_TRUE(is_foreign_adapter(path));
    EXPECT_TRUE(read_foreign_adapter(path).tensor("").equal(at::ones({2, 3}))) << path;
  }
}

TEST_F(Foreign, DamageIsNamed) {
  EXPECT_FALSE(is_foreign_adapter(folder_));
  EXPECT_THAT(refusal(), HasSubstr("the folder is not an adapter"));
  write_atomically(folder_ / "adapter_config.json", "[1]");
  EXPECT_THAT(refusal(), HasSubstr("JSON that is not an object"));
  write_atomically(folder_ / "adapter_config.json", "{\"peft_type\": \"X\"}");
  EXPECT_THAT(refusal(), HasSubstr("adapter_model.safetensors"));
  write_safetensors(folder_ / "adapter_model.safetensors",
                    {{"bad", at::ones({2}) * std::numeric_limits<float>::infinity()}});
  EXPECT_THAT(refusal(), HasSubstr("in bad"));
  // An empty file, no tensors, tensors of no elements (ZeRO-3).
  std::ofstream(folder_ / "adapter_model.safetensors");
  EXPECT_THAT(refusal(), HasSubstr("the adapter file is empty"));
  write_safetensors(folder_ / "adapter_model.safetensors", {});
  EXPECT_THAT(refusal(), HasSubstr("contains no tensors"));
  write_safetensors(folder_ / "adapter_model.safetensors", {{"w", at::ones({0})}});
  EXPECT_THAT(refusal(), HasSubstr("ZeRO-3"));
}

TEST_F(Foreign, WhatIsNoAdapterIsCalledWhatItIs) {
  write_atomically(folder_ / "adapter_config.json",
                   R"({"config": {"reduction_factor": 16}, "model_class": "T5Model"})");
  EXPECT_THAT(refusal(), HasSubstr("AdapterHub"));
  fs::remove(folder_ / "adapter_config.json");
  write_atomically(folder_ / "config.json", "{}");
  EXPECT_THAT(refusal(), HasSubstr("a whole model, not an adapter"));
  for (const char* name : {"b", "a"}) {
    fs::create_directories(folder_ / name);
    write_atomically(folder_ / name / "adapter_config.json", "{}");
  }
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr("a folder of several adapters"), HasSubstr("use " + (folder_ / "a").string())));
}

}  // namespace
}  // namespace peftbench::foreign_test
