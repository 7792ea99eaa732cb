// Pre-training on the device, and from the CPU to it in mid-run.
#include "backbone/initial_weights.h"
#include "device/compare.h"
#include "pretrain/pretrainer.h"
#include "support/layers.h"
#include "support/program.h"
#include "support/tiny_backbone.h"

#include <gtest/gtest.h>

#include <utility>

namespace peftbench::device_pretrain_test {

using namespace support;

namespace {

EncodedExample copying(std::int64_t index) {
  EncodedExample example;
  example.input = some_ids(4 + index % 5, index);
  example.input.push_back(1);
  example.target = {example.input[0], example.input[1], 1};
  return example;
}

// The model after four steps; `stop_at`: this process stops after so many.
TensorMap pretrained(const fs::path& folder, c10::Device device, std::int64_t stop_at = 0) {
  PretrainConfig config;
  config.name = "tiny";
  config.tokens = 96;
  config.shares = {1, 0, 0};
  config.device = device;
  config.train.steps = 4;
  config.train.optimizer = OptimizerKind::adamw;
  config.train.adamw.epsilon = 1;  // an update follows the gradient's size, not the sign of noise
  config.train.learning_rate = 0.05;
  config.train.dropout = 0.1;
  config.train.evaluate_every = 2;
  config.train.checkpoint_every = 1;
  CheckpointStore checkpoints(folder / "checkpoint", "a hash");
  fs::create_directories(folder);
  EventLog log(folder / "log.jsonl");
  TensorMap kept;
  std::int64_t steps = 0;
  const BackboneSpec spec = tiny_spec();
  pretrain::pretrain({config,
                      spec,
                      initial_weights(spec, 1),
                      {{"span_corruption", 1, copying, {copying(1001), copying(1002)}}},
                      checkpoints,
                      log,
                      silent_progress(),
                      [&] { return ++steps == stop_at; },
                      [&](const std::string&, const PretrainResult&, const TensorMap& weights) { kept = weights; }});
  return kept;
}

TEST(Pretraining, OnTheDeviceIsAsOnTheCpu) {
  const testing_support::Scratch scratch;
  const TensorMap cpu = pretrained(scratch.path() / "cpu", c10::kCPU);
  const TensorMap there = pretrained(scratch.path() / "there", stand_in_device());
  EXPECT_TRUE(pretrained(scratch.path() / "both", c10::kCPU, 2).empty());
  const TensorMap both = pretrained(scratch.path() / "both", stand_in_device());
  ASSERT_FALSE(cpu.empty());
  for (const auto& [name, value] : cpu)
    for (const TensorMap* other : {&there, &both}) {
      const Tensor& found = other->at(name);
      ASSERT_TRUE(found.is_cpu()) << name;
      EXPECT_LT(relative(found, value), 3e-6) << name;
    }
}

}  // namespace
}  // namespace peftbench::device_pretrain_test
