// Time of one training step and of greedy decoding of prompt tuning on a random T5. The peer does the same work in
// peer/training_step.py; compare.py runs the two in turn.
//   PEFTBENCH_SHAPE=small (v1.1-small: V 32128, D 512, 6 heads) or nano (the shipped backbone's sizes)
#include "backbone/backbone.h"
#include "backbone/generation.h"
#include "config/machine.h"
#include "plugin/finder.h"
#include "plugin/schema.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "train/loss.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <string>

namespace peftbench::training_step {

using namespace layers;

namespace {

constexpr int64_t batch_size = 16, input_tokens = 128, target_tokens = 8;

BackboneSpec shape() {
  const char* name = std::getenv("PEFTBENCH_SHAPE");
  const bool nano = name && std::string(name) == "nano";
  BackboneSpec spec;
  spec.name = nano ? "nano" : "v1_1-small";
  spec.vocab_size = nano ? 8192 : 32128;
  spec.d_model = nano ? 256 : 512;
  spec.d_kv = 64;
  spec.num_heads = nano ? 4 : 6;
  spec.d_ff = nano ? 640 : 1024;
  spec.encoder_layers = spec.decoder_layers = nano ? 4 : 8;
  spec.gated = true;
  spec.activation = Activation::gelu_tanh;
  return spec;
}

struct Bench {
  std::shared_ptr<const Backbone> backbone;
  CompiledPlan plan;
  std::vector<EncodedExample> examples;
  ExampleBatch batch;

  Bench() {
    const BackboneSpec spec = shape();
    TensorMap tensors;
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1);
    for (const TensorEntry& entry : spec.tensors()) {
      tensors[entry.name] =
          at::empty(entry.shape).normal_(0, 1 / std::sqrt(static_cast<double>(entry.shape.back())), generator);
    }
    backbone = Backbone::from_tensors(spec, std::move(tensors));

    const PluginHandle plugin = PluginFinder().load_method("prompt_tuning");
    Values values;
    for (const ParameterSchema& parameter : plugin->schema.parameters()) values.set(parameter.name, parameter.standard);
    values.set("init", std::string("random_uniform"));
    PlanBuilder builder(spec);
    plan_method(*plugin, *make_method(*plugin, values), builder);
    plan = CompiledPlan(builder.finish());
    support::initialise(plan);

    for (int64_t b = 0; b < batch_size; ++b) {
      EncodedExample example;
      for (int64_t t = 0; t < input_tokens; ++t)
        example.input.push_back(2 + (b * 131 + t * 17) % (spec.vocab_size - 2));
      for (int64_t t = 0; t < target_tokens; ++t)
        example.target.push_back(2 + (b * 71 + t * 29) % (spec.vocab_size - 2));
      examples.push_back(std::move(example));
    }
    for (const EncodedExample& example : examples) batch.examples.push_back(&example);
  }
};

Bench& bench() {
  static Bench one;
  return one;
}

void training_step(benchmark::State& state) {
  Bench& b = bench();
  TrainConfig config;
  config.dropout = static_cast<double>(state.range(0)) / 100;
  const StepTotals totals{batch_size * target_tokens, 1};
  for (auto unused : state) {
    for (const auto& slot : b.plan.trained()) slot->value.mutable_grad() = Tensor();
    benchmark::DoNotOptimize(add_gradients(config, *b.backbone, b.plan, b.batch, totals, 1, nullptr));
  }
  state.SetItemsProcessed(state.iterations() * batch_size);
}
BENCHMARK(training_step)->ArgName("dropout_percent")->Arg(0)->Arg(10)->Unit(benchmark::kMillisecond)->UseRealTime();

void greedy(benchmark::State& state) {
  Bench& b = bench();
  const at::NoGradGuard no_grad;
  for (auto unused : state) {
    const RunContext context = RunContext::inference();
    b.plan.refresh([&](int tensor) { return b.backbone->frozen(tensor); });
    const EncoderState encoder = b.backbone->encode(pack_inputs(b.batch), b.plan, context);
    benchmark::DoNotOptimize(generate(*b.backbone, encoder, b.plan, {.max_tokens = target_tokens}));
  }
}
BENCHMARK(greedy)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace peftbench::training_step

int main(int argc, char** argv) {
  peftbench::config::tune_process();  // as the program runs
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
