#include "adapters/tensor_source.h"
#include "formats/safetensors.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"
#include "train/checkpoint.h"

#include <peftbench/error.h>
#include <peftbench/parameter.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace peftbench::tensor_source_test {

using namespace layers;

namespace {

using ::testing::HasSubstr;

class Sources : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("peftbench-sources-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  Tensor read(const fs::path& path, const std::string& name = "encoder.input.prompt") {
    return read_parameter(path, name, {finder_, spec_}, [this](std::string text) { warning_ = text; });
  }
  static Tensor filled(double value, int64_t rows = 2, int64_t width = 3) {
    return at::zeros({rows, width}).fill_(value);
  }
  fs::path folder_;
  std::string warning_;
  const PluginFinder finder_{{}, {{PEFTBENCH_TEST_BUILD_DIR "/lib/peftbench/plugins", "build tree"}}};
  const BackboneSpec spec_ = support::tiny_spec();
};

TEST_F(Sources, ATensorIsFoundByItsName) {
  write_safetensors(folder_ / "adapter.safetensors", {{"encoder.input.prompt", filled(1)}, {"other", filled(2)}});
  EXPECT_EQ(read(folder_).sum().item<double>(), 6);
  EXPECT_EQ(read(folder_, "unknown|other").sum().item<double>(), 12);
  try {
    read(folder_, "unknown");
    FAIL();
  } catch (const CheckpointError& error) {
    EXPECT_THAT(error.what(), HasSubstr("encoder.input.prompt, other"));
  }
}

TEST_F(Sources, TheBestParametersOfACheckpointComeFirst) {
  TrainState state;
  state.progress = nlohmann::json::object();
  state.parameters = {{"encoder.input.prompt", filled(1)}};
  state.seen = {{"0", filled(0)}};
  CheckpointStore(folder_, "run").save(state);
  EXPECT_EQ(read(folder_).sum().item<double>(), 6);
  state.best = {{"encoder.input.prompt", filled(5)}};
  CheckpointStore(folder_, "run").save(state);
  EXPECT_EQ(read(folder_).sum().item<double>(), 30);
  EXPECT_EQ(read(folder_ / "train.safetensors").sum().item<double>(), 30);

  std::fstream file(folder_ / "train.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('\x7f');
  file.close();
  EXPECT_THROW(read(folder_), CheckpointError);  // its SHA-256 is compared
}

TEST_F(Sources, AFileOfOneTensorNeedsNoName) {
  write_safetensors(folder_ / "x.safetensors", {{"anything", filled(4)}});
  EXPECT_EQ(read(folder_ / "x.safetensors").sum().item<double>(), 24);
}

TEST_F(Sources, OfHuggingFacesPromptOnlyTheEncodersRowsAreTaken) {
  write_safetensors(folder_ / "adapter_model.safetensors", {{"prompt_embeddings", filled(1, 4, spec_.d_model)}});
  write_atomically(folder_ / "adapter_config.json", "{\"peft_type\": \"PROMPT_TUNING\", \"num_virtual_tokens\": 2}");
  const Tensor prompt = read(folder_);
  EXPECT_EQ(prompt.size(0), 2);
  EXPECT_EQ(prompt.size(1), spec_.d_model);
  EXPECT_THAT(warning_, HasSubstr("first 2"));
  write_atomically(folder_ / "adapter_config.json", "{\"peft_type\": \"UNKNOWN\", \"num_virtual_tokens\": 2}");
  EXPECT_THROW(read(folder_), CheckpointError);  // no method knows what its tensors mean
}

TEST_F(Sources, WhatIsNotThereIsNamed) {
  EXPECT_THROW(read(folder_ / "nothing.npy"), CheckpointError);
  EXPECT_THROW(read(folder_), CheckpointError);  // a folder without values
}

}  // namespace
}  // namespace peftbench::tensor_source_test
