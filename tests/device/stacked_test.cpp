// Several plans in one batch, and quantized weights under them, on the device.
#include "backbone/generation.h"
#include "device/compare.h"
#include "methods/workshop.h"
#include "support/layers.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace peftbench::stacked_test {

using namespace support;

namespace {

constexpr double close = 3e-6;  // of results of size 1, after three steps

// Rows of three plans in turn: of LoRA, of adapters, of a prefix.
struct Mixed {
  explicit Mixed(const LoadOptions& load) {
    std::vector<CompiledPlan> plans;
    for (const char* name : {"lora", "adapter_houlsby", "prefix_tuning_direct"}) {
      workshops.emplace_back(variant_called(name), "gated", load);
      plans.push_back(workshops.back().plan());
    }
    plan = CompiledPlan::stack(plans);
    examples = workshops.front().examples(plans.front());
    for (std::size_t i = 0; i < examples.size(); ++i)
      groups.push_back(static_cast<std::int64_t>(i * 3 / examples.size()));
  }
  const Backbone& backbone() const { return workshops.front().backbone(); }
  ExampleBatch batch() const {
    ExampleBatch batch;
    for (const EncodedExample& example : examples) batch.examples.push_back(&example);
    batch.groups = groups;
    return batch;
  }
  EncoderState encode() const {
    backbone().refresh(plan);
    return encode_batch(backbone(), batch(), plan, RunContext::inference(), nullptr);
  }
  Tensor logits() const {
    const at::NoGradGuard no_grad;
    std::vector<std::vector<std::int64_t>> targets;
    for (const EncodedExample& example : examples) targets.push_back(example.target);
    const RunContext context = RunContext::inference();
    return backbone().head(decode_labels(backbone(), encode(), targets, plan, context), plan, context);
  }
  std::vector<std::vector<std::int64_t>> generated(std::int64_t beams) const {
    const at::NoGradGuard no_grad;
    return generate(backbone(), encode(), plan, {.max_tokens = 6, .beams = beams});
  }
  double train() {
    TrainConfig config;
    config.steps = 3;
    config.batch_size = 8;
    config.optimizer = OptimizerKind::adamw;
    config.adamw.epsilon = 1;  // an update follows the gradient's size, not the sign of noise
    config.learning_rate = 1e-2;
    config.dropout = 0;
    config.evaluate_every = 0;
    config.evaluate_at_start = false;
    const ExamplesInMemory made(examples);
    TrainingJob job{backbone(), plan, made};
    job.groups = groups;
    return train::train(config, job).last_loss;
  }

  std::vector<Workshop> workshops;
  CompiledPlan plan;
  std::vector<EncodedExample> examples;
  std::vector<std::int64_t> groups;
};

TEST(MixedBatch, OfPlansIsAsOnTheCpu) {
  for (const Quantization quantization : {Quantization::none, Quantization::nf4, Quantization::int8}) {
    SCOPED_TRACE(enum_name(quantization));
    Mixed cpu({Precision::float32, quantization}), there(on_device({Precision::float32, quantization}));
    EXPECT_LT(relative(there.logits(), cpu.logits()), close);
    for (const std::int64_t beams : {1, 4}) EXPECT_EQ(there.generated(beams), cpu.generated(beams)) << beams;
    const double expected = cpu.train();
    EXPECT_NEAR(there.train(), expected, close * std::max(1.0, expected));
    EXPECT_LT(relative(there.logits(), cpu.logits()), close);
    const TensorMap trained = cpu.plan.training();
    for (const auto& [name, value] : there.plan.training()) EXPECT_LT(relative(value, trained.at(name)), close) << name;
  }
}

}  // namespace
}  // namespace peftbench::stacked_test
