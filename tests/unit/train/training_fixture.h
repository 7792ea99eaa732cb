#pragma once

// Small methods and examples to train on the tiny T5.
#include "support/forward.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"
#include "train/loss.h"
#include "train/trainer.h"

#include <peftbench/error.h>

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace peftbench::support {

using namespace layers;

struct Prompt final : InputHook {
  explicit Prompt(Parameter prompt) : prompt(std::move(prompt)) {}
  Embedded apply(const InputCall& call) const override { return prepend(call.input(), prompt()); }
  Parameter prompt;
};

struct Scale final : LinearHook {
  explicit Scale(Parameter factor) : factor(std::move(factor)) {}
  Tensor apply(const LinearCall& call) const override { return call.base() * (1 + factor()); }
  std::optional<Tensor> merged(const Tensor& weight) const override { return weight * (1 + factor().unsqueeze(1)); }
  Parameter factor;
};

// A prompt of 3 rows before the encoder's input.
inline CompiledPlan prompt_plan(const Backbone& backbone) {
  auto plan = plan_with(backbone, [](const BackboneSpec& spec, PlanBuilder& builder) {
    const auto prompt = builder.parameter(spec.encoder_input(), "prompt", {3, spec.d_model}, init::uniform(-0.5, 0.5));
    builder.claim<Prompt>(spec.encoder_input(), prompt);
  });
  initialise(plan);
  return plan;
}

// Scales of the outputs of the decoder's value maps: the encoder is left alone.
inline CompiledPlan decoder_plan(const Backbone& backbone) {
  auto plan = plan_with(backbone, [](const BackboneSpec& spec, PlanBuilder& builder) {
    for (const auto& site : spec.linears({"v"})) {
      if (site.stack == Stack::encoder) continue;
      builder.claim<Scale>(site, builder.parameter(site, "scale", {site.out}, init::uniform(-0.1, 0.1)));
    }
  });
  initialise(plan);
  return plan;
}

inline std::vector<EncodedExample> some_examples(std::int64_t count) {
  std::vector<EncodedExample> examples;
  for (std::int64_t i = 0; i < count; ++i) {
    EncodedExample example;
    example.input = some_ids(3 + (i * 5) % 9, i);
    example.input.push_back(1);
    example.target = some_ids(1 + i % 3, i % 4 + 100);
    example.target.push_back(1);
    example.label = static_cast<int>(i % 2);
    examples.push_back(std::move(example));
  }
  return examples;
}

inline TrainConfig small_config() {
  TrainConfig config;
  config.steps = 12;
  config.batch_size = 4;
  config.learning_rate = 0.05;
  config.optimizer = OptimizerKind::adamw;
  config.evaluate_every = 0;
  config.evaluate_at_start = false;
  config.log_every = 1;
  config.seed = 3;
  return config;
}

// All parameter bytes of a plan.
inline std::string bytes_of(const CompiledPlan& plan) {
  std::string bytes;
  for (const auto& [name, tensor] : plan.training()) {
    const Tensor flat = tensor.contiguous();
    bytes += name;
    bytes.append(static_cast<const char*>(flat.const_data_ptr()), flat.nbytes());
  }
  return bytes;
}

// A folder of its own for a test, emptied first.
inline fs::path fresh_folder(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("peftbench_train_" + std::to_string(::getpid()) + "_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

}  // namespace peftbench::support
