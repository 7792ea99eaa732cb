#include "backbone/safetensors.h"
#include "run/costs.h"
#include "run/home.h"
#include "run/init_context.h"
#include "run/tensor_source.h"
#include "support/tiny_backbone.h"
#include "train/checkpoint.h"

#include <peftbench/error.h>
#include <peftbench/parameter.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace peftbench::sources_test {
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

const PluginFinder finder;

TEST(InitContexts, AreStreamsOfTheSeedAndTheName) {
  const auto backbone = support::tiny_backbone();
  const auto draw = [&](std::uint64_t seed, const std::string& name) {
    const auto contexts = init_contexts({*backbone, finder, nullptr, {"yes", "no"}, seed, [](std::string) {}});
    return init::uniform(0, 1)(*contexts(name), {4});
  };
  EXPECT_TRUE(draw(1, "a").equal(draw(1, "a")));
  EXPECT_FALSE(draw(1, "a").equal(draw(1, "b")));
  EXPECT_FALSE(draw(1, "a").equal(draw(2, "a")));

  const auto contexts = init_contexts({*backbone, finder, nullptr, {"yes", "no"}, 1, [](std::string) {}});
  const auto context = contexts("a");
  EXPECT_EQ(context->vocab_size(), 40);
  EXPECT_EQ(context->labels(), (std::vector<std::string>{"yes", "no"}));
  EXPECT_TRUE(context->frozen("shared.weight").equal(context->embedding_rows([] {
    std::vector<int64_t> all(40);
    for (int64_t i = 0; i < 40; ++i) all[i] = i;
    return all;
  }())));
  EXPECT_THROW(context->tokenize("no vocabulary here"), ConfigError);
}

TEST(InitContexts, FrozenTensorsAreCopies) {
  const auto backbone = support::tiny_backbone();
  const std::string before = backbone->checksum();
  const auto contexts = init_contexts({*backbone, finder, nullptr, {}, 1, [](std::string) {}});
  contexts("a")->frozen("shared.weight").fill_(3);
  contexts("a")->embedding_rows({1, 2}).fill_(3);
  EXPECT_EQ(backbone->checksum(), before);
}

TEST(Costs, AddUpOverProcesses) {
  CostMeter meter;
  meter.begin("train");
  volatile double work = 0;
  for (int i = 0; i < 20000000; ++i) work = work + 1;
  meter.begin("evaluate");
  meter.end();
  std::vector<PhaseCost> phases = meter.phases();
  ASSERT_EQ(phases.size(), 2u);
  EXPECT_GT(phases[0].wall_seconds, 0);
  EXPECT_GT(phases[0].cpu_seconds, 0);
  EXPECT_GT(phases[0].peak_memory_bytes, 1 << 20);

  meter.add_earlier({{"train", 100, 50, std::int64_t{1} << 50, false}});
  phases = meter.phases();
  EXPECT_GT(phases[0].wall_seconds, 100);
  EXPECT_LT(phases[0].wall_seconds, 110);
  EXPECT_EQ(phases[0].peak_memory_bytes, std::int64_t{1} << 50);
  EXPECT_FALSE(phases[0].peak_is_of_phase);
}

TEST(Home, IsFoundAndTheDataRootFollowsTheEnvironment) {
  EXPECT_TRUE(fs::exists(find_home() / "configs" / "tasks"));  // PEFTBENCH_HOME of the test
  EXPECT_EQ(find_data_root(fs::path("/given")), "/given");
  const char* old = std::getenv("PEFTBENCH_DATA");
  const std::string kept = old ? old : "";
  ::setenv("PEFTBENCH_DATA", "/from/environment", 1);
  EXPECT_EQ(find_data_root({}), "/from/environment");
  ::unsetenv("PEFTBENCH_DATA");
  ::setenv("XDG_DATA_HOME", "/xdg", 1);
  EXPECT_EQ(find_data_root({}), "/xdg/peft-bench");
  if (old) ::setenv("PEFTBENCH_DATA", kept.c_str(), 1);
}

}  // namespace
}  // namespace peftbench::sources_test
