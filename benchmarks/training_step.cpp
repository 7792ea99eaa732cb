// Time of one training step with AdamW, and of greedy decoding, on a random T5, with the rate of the products that the
// ledger counts; and the rates at which this machine multiplies matrices of the step's shapes. The peer does the same
// work in peer/training_step.py; compare.py runs the two in turn, and gpu.sh does on a GPU. In the environment:
//   PEFTBENCH_SHAPE      small, base, large (v1.1's sizes; default small) or nano (the shipped backbone's)
//   PEFTBENCH_METHOD     prompt_tuning (default), lora, model_tuning
//   PEFTBENCH_PRECISION  float32 (default) or bfloat16
//   PEFTBENCH_DEVICE     cpu (default), cuda
//   PEFTBENCH_BACKEND    reference (default), fast
//   PEFTBENCH_TEXT       even (default: 128 tokens an input), ragged (32 … 128)
#include "backbone/backbone.h"
#include "backbone/generation.h"
#include "backbone/kernels/packed_matrix.h"
#include "config/machine.h"
#include "devices/arithmetic.h"
#include "devices/choice.h"
#include "ledger/ledger.h"
#include "plugin/finder.h"
#include "plugin/schema.h"
#include "support/init_context.h"
#include "support/layers.h"
#include "train/loss.h"
#include "train/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <benchmark/benchmark.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::training_step {

using namespace layers;
using backbone::kernels::PackedMatrix;

namespace {

constexpr int64_t batch_size = 16, input_tokens = 128, target_tokens = 8;

// peer/training_step.py has the same.
int64_t length_of(int64_t b, bool ragged) { return ragged ? 32 + 96 * (b * 7 % 16) / 15 : input_tokens; }

std::string asked(const char* variable, const std::string& standard) {
  const char* value = std::getenv(variable);
  return value && *value ? value : standard;
}

BackboneSpec shape() {
  struct Sizes {
    int64_t vocabulary, d_model, heads, d_ff, layers;
  };
  static const std::map<std::string, Sizes> all = {{"nano", {8192, 256, 4, 640, 4}},
                                                   {"small", {32128, 512, 6, 1024, 8}},
                                                   {"base", {32128, 768, 12, 2048, 12}},
                                                   {"large", {32128, 1024, 16, 2816, 24}}};
  BackboneSpec spec;
  spec.name = asked("PEFTBENCH_SHAPE", "small");
  const Sizes sizes = all.at(spec.name);
  spec.vocab_size = sizes.vocabulary;
  spec.d_model = sizes.d_model;
  spec.d_kv = 64;
  spec.num_heads = sizes.heads;
  spec.d_ff = sizes.d_ff;
  spec.encoder_layers = spec.decoder_layers = sizes.layers;
  spec.gated = true;
  spec.activation = Activation::gelu_tanh;
  return spec;
}

struct Bench {
  std::shared_ptr<const Backbone> backbone;
  CompiledPlan plan;
  std::vector<EncodedExample> examples;
  ExampleBatch batch;
  double step_flops = 0;

  Bench() {
    const BackboneSpec spec = shape();
    TensorMap tensors;
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1);
    for (const TensorEntry& entry : spec.tensors()) {
      tensors[entry.name] =
          at::empty(entry.shape).normal_(0, 1 / std::sqrt(static_cast<double>(entry.shape.back())), generator);
    }
    LoadOptions load;
    load.precision = enum_from<Precision>(asked("PEFTBENCH_PRECISION", "float32")).value();
    load.device = find_device(asked("PEFTBENCH_DEVICE", "cpu"), "PEFTBENCH_DEVICE");
    load.backend = enum_from<Backend>(asked("PEFTBENCH_BACKEND", "reference")).value();
    use_arithmetic(load.device, {});
    backbone = Backbone::from_tensors(spec, std::move(tensors), load);

    const std::string method = asked("PEFTBENCH_METHOD", "prompt_tuning");
    const PluginHandle plugin = PluginFinder().load_method(method);
    Values values;
    for (const ParameterSchema& parameter : plugin->schema.parameters()) values.set(parameter.name, parameter.standard);
    if (method == "prompt_tuning") values.set("init", std::string("random_uniform"));
    if (method == "lora") values.set("rank", std::int64_t{8});
    PlanBuilder builder(spec);
    plan_method(*plugin, *make_method(*plugin, values), builder);
    plan = CompiledPlan(builder.finish());
    plan.place_on(load.device);
    support::initialise(plan, [&](std::string_view name) {
      return backbone->frozen(spec.parameter(name).index)
          .to(c10::kCPU, at::kFloat, /*non_blocking=*/false,
              /*copy=*/true);
    });

    for (int64_t b = 0; b < batch_size; ++b) {
      EncodedExample example;
      for (int64_t t = 0; t < length_of(b, asked("PEFTBENCH_TEXT", "even") == "ragged"); ++t)
        example.input.push_back(2 + (b * 131 + t * 17) % (spec.vocab_size - 2));
      for (int64_t t = 0; t < target_tokens; ++t)
        example.target.push_back(2 + (b * 71 + t * 29) % (spec.vocab_size - 2));
      examples.push_back(std::move(example));
    }
    BatchLengths lengths;
    for (const EncodedExample& example : examples) {
      batch.examples.push_back(&example);
      lengths.input.push_back(std::ssize(example.input));
      lengths.target.push_back(std::ssize(example.target));
    }
    step_flops = count_flops(spec, plan, measure(spec, plan), lengths).training_step;
  }
};

Bench& bench() {
  static Bench one;
  return one;
}

benchmark::Counter rate(double flops) { return {flops / 1e9, benchmark::Counter::kIsIterationInvariantRate}; }

// A device goes on computing when a call has returned.
void wait_for(c10::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

void training_step(benchmark::State& state) {
  Bench& b = bench();
  TrainConfig config;
  config.optimizer = OptimizerKind::adamw;
  const auto optimizer = make_optimizer(config, b.plan.trained());
  config.dropout = static_cast<double>(state.range(0)) / 100;
  const StepTotals totals{batch_size * target_tokens, 1};
  for (auto unused : state) {
    for (const auto& slot : b.plan.trained()) slot->value.mutable_grad() = Tensor();
    benchmark::DoNotOptimize(add_gradients(config, *b.backbone, b.plan, b.batch, totals, 1, nullptr));
    std::vector<Tensor> gradients;
    for (const auto& slot : b.plan.trained()) gradients.push_back(slot->value.grad());
    optimizer->step(gradients, 1e-4);
    wait_for(b.backbone->device());
  }
  state.SetItemsProcessed(state.iterations() * batch_size);
  state.counters["GFLOP/s"] = rate(b.step_flops);
}
BENCHMARK(training_step)->ArgName("dropout_percent")->Arg(0)->Arg(10)->Unit(benchmark::kMillisecond)->UseRealTime();

void greedy(benchmark::State& state) {
  Bench& b = bench();
  const at::NoGradGuard no_grad;
  for (auto unused : state) {
    const RunContext context = RunContext::inference();
    b.backbone->refresh(b.plan);
    const EncoderState encoder = b.backbone->encode(pack_inputs(b.batch), b.plan, context);
    benchmark::DoNotOptimize(generate(*b.backbone, encoder, b.plan, {.max_tokens = target_tokens}));
  }
}
BENCHMARK(greedy)->Unit(benchmark::kMillisecond)->UseRealTime();

// x Wᵀ of the maps of a block, of as many rows as a step of prompt tuning has, by the best that a library offers here.
void products(benchmark::State& state) {
  const bool packed = state.range(0) == 1;
  if (packed && !PackedMatrix::available()) return state.SkipWithError("no packed products here");
  const BackboneSpec spec = shape();
  const at::ScalarType type = type_of(enum_from<Precision>(asked("PEFTBENCH_PRECISION", "float32")).value());
  const int64_t rows = batch_size * (input_tokens + 100), d = spec.d_model;
  struct Map {
    Tensor x, weight;
    std::optional<PackedMatrix> packed;
  };
  std::vector<Map> maps;
  double flops = 0;
  for (const auto& [in, out] : {std::pair(d, spec.inner()), {spec.inner(), d}, {d, spec.d_ff}, {spec.d_ff, d}}) {
    Map map{at::empty({rows, in}).normal_().to(type), at::empty({out, in}).normal_().to(type), std::nullopt};
    if (packed) map.packed.emplace(map.weight);
    flops += 2.0 * static_cast<double>(rows * in * out);
    maps.push_back(std::move(map));
  }
  const at::NoGradGuard no_grad;
  for (auto unused : state)
    for (const Map& map : maps)
      benchmark::DoNotOptimize(packed ? map.packed->multiply(map.x) : at::linear(map.x, map.weight));
  state.counters["GFLOP/s"] = rate(flops);
}
BENCHMARK(products)->ArgName("packed")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace peftbench::training_step

int main(int argc, char** argv) {
  peftbench::config::tune_process();  // as the program runs
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
