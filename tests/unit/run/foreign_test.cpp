#include "run/foreign.h"

#include "backbone/safetensors.h"

#include <peftbench/error.h>

#include <ATen/ops/ones.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <limits>

namespace peftbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST_F(Foreign, EveryFormOfEntryIsReadOrLeftOut) {
  write_atomically(folder_ / "adapter_config.json", R"({
    "peft_type": "LORA", "r": 8, "lora_dropout": 0.5, "use_rslora": true, "revision": null,
    "target_modules": ["q", "v"], "rank_pattern": {"k": 4}, "alpha_pattern": {}, "exclude_modules": [],
    "layers_to_transform": [0, 1], "loftq_config": {"bits": {"a": 1}}})");
  write_safetensors(folder_ / "adapter_model.safetensors", {{"a", at::ones({2}, at::kHalf)}});
  ASSERT_TRUE(is_foreign_adapter(folder_));
  const ForeignAdapter adapter = read_foreign_adapter(folder_);
  EXPECT_EQ(adapter.text("peft_type"), "LORA");
  EXPECT_EQ(adapter.integer("r", 0), 8);
  EXPECT_EQ(adapter.real("lora_dropout", 0), 0.5);
  EXPECT_EQ(adapter.real("r", 0), 8.0);
  EXPECT_TRUE(adapter.flag("use_rslora", false));
  EXPECT_EQ(adapter.text("revision", "none"), "none");
  EXPECT_THAT(adapter.names("target_modules"), ElementsAre("q", "v"));
  EXPECT_TRUE(adapter.names("exclude_modules").empty());
  EXPECT_EQ(adapter.numbers("rank_pattern").at("k"), 4);
  EXPECT_TRUE(adapter.numbers("alpha_pattern").empty());
  EXPECT_FALSE(adapter.config.contains("layers_to_transform"));
  EXPECT_FALSE(adapter.config.contains("loftq_config"));
  EXPECT_EQ(adapter.tensor("a").scalar_type(), at::kFloat);
}

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
  EXPECT_THAT(refusal(), HasSubstr("no adapter of another program"));
  write_atomically(folder_ / "adapter_config.json", "[1]");
  EXPECT_THAT(refusal(), HasSubstr("JSON that is no object"));
  write_atomically(folder_ / "adapter_config.json", "{\"peft_type\": \"X\"}");
  EXPECT_THAT(refusal(), HasSubstr("adapter_model.safetensors"));
  write_safetensors(folder_ / "adapter_model.safetensors",
                    {{"bad", at::ones({2}) * std::numeric_limits<float>::infinity()}});
  EXPECT_THAT(refusal(), HasSubstr("in bad"));
}

}  // namespace
}  // namespace peftbench
