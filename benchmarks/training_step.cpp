// Time of one training step with AdamW, of greedy decoding, or of ranking label words, on a random T5, with the rate of
// the products that the ledger counts; or the rates at which this machine multiplies matrices of the step's shapes. One
// process does one task, warmed up by one step:
//   training_step TASK.json --benchmark_repetitions=STEPS --benchmark_format=json
// benchmarks/speed writes the task and runs this in turn with the peers, which read the same file.
#include "allocations.h"
#include "packed_matrix.h"
#include "speed_task.h"

#include "backbone/generation.h"
#include "backbone/kernels/segments.h"
#include "config/commit.h"
#include "config/machine.h"
#include "core/clock.h"
#include "core/numbers.h"
#include "devices/arithmetic.h"
#include "eval/encoder_cache.h"
#include "eval/evaluator.h"
#include "ledger/ledger.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/trainer.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_int_mm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randint.h>
#include <benchmark/benchmark.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <sys/resource.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::speed {

using backbone::kernels::FrozenMatrix;

namespace {

// What is measured, with all that it needs made once.
class Work {
 public:
  virtual ~Work() = default;
  virtual void step() = 0;
  virtual double flops() const = 0;  // of a step, in matrix products
};

// The frozen backbone, the method's plan, and one batch for them.
class Bench {
 public:
  explicit Bench(const SpeedTask& task)
      : examples_(task.examples), backbone(random_backbone(task)), plan(make_plan(task, *backbone)) {
    for (const EncodedExample& example : examples_) batch.examples.push_back(&example);
  }
  Bench(const Bench&) = delete;

  FlopCounts count(std::optional<std::int64_t> target_tokens = {}, bool cached = false) const {
    BatchLengths lengths;
    for (const EncodedExample& example : examples_) {
      lengths.input.push_back(std::ssize(example.input));
      lengths.target.push_back(target_tokens.value_or(std::ssize(example.target)));
    }
    return count_flops(backbone->spec(), plan, measure(backbone->spec(), plan), lengths, cached ? 1 : 0);
  }

 private:
  std::vector<EncodedExample> examples_;

 public:
  const std::shared_ptr<const Backbone> backbone;
  const CompiledPlan plan;
  ExampleBatch batch;
};

class TrainingStep final : public Work {
 public:
  explicit TrainingStep(const SpeedTask& task) : bench_(task), cache_(*bench_.backbone, config_.encoder_cache_bytes) {
    config_.optimizer = OptimizerKind::adamw;
    config_.dropout = task.dropout;
    // What a run of such a method does: every epoch but the first finds the encoder's outputs in the cache.
    config_.encoder_dropout = !bench_.plan.leaves_encoder_alone();
    cached_ = uses_encoder_cache(config_, bench_.plan);
    optimizer_ = make_optimizer(config_, bench_.plan.trained());
    for (const EncodedExample* example : bench_.batch.examples) totals_.tokens += counted_tokens(*example, bench_.plan);
    totals_.micro_batches = 1;
  }

  void step() override {
    for (const auto& slot : bench_.plan.trained()) slot->value.mutable_grad() = Tensor();
    benchmark::DoNotOptimize(
        add_gradients(config_, *bench_.backbone, bench_.plan, bench_.batch, totals_, 1, cached_ ? &cache_ : nullptr));
    std::vector<Tensor> gradients;
    for (const auto& slot : bench_.plan.trained()) gradients.push_back(slot->value.grad());
    optimizer_->step(gradients, 1e-4);
  }

  double flops() const override { return bench_.count({}, cached_).training_step; }

 private:
  Bench bench_;
  TrainConfig config_;
  bool cached_ = false;
  EncoderCache cache_;
  std::unique_ptr<Optimizer> optimizer_;
  StepTotals totals_;
};

class Greedy final : public Work {
 public:
  explicit Greedy(const SpeedTask& task) : bench_(task) {}

  void step() override {
    const at::NoGradGuard no_grad;
    bench_.backbone->refresh(bench_.plan);
    const EncoderState encoder =
        bench_.backbone->encode(pack_inputs(bench_.batch), bench_.plan, RunContext::inference());
    benchmark::DoNotOptimize(generate(*bench_.backbone, encoder, bench_.plan,
                                      {.max_tokens = std::ssize(bench_.batch.examples.front()->target)}));
  }

  double flops() const override { return bench_.count().forward; }

 private:
  Bench bench_;
};

// Evaluation of a classification task: each label word is scored, for each example.
class Ranking final : public Work {
 public:
  explicit Ranking(const SpeedTask& task) : bench_(task), words_(task.words), examples_(task.examples) {
    TaskConfig config;
    config.name = "ranking";
    config.metrics = {"accuracy"};
    for (std::size_t k = 0; k < words_.size(); ++k) config.labels.push_back(std::to_string(k));
    for (std::size_t b = 0; b < examples_.size(); ++b) {
      const std::size_t word = b % words_.size();
      examples_[b].label = static_cast<int>(word);
      examples_[b].target = words_[word];
      examples_[b].target.push_back(task.spec.eos_id);
      texts_.push_back({{}, config.labels[word], static_cast<int>(word)});
    }
    EvaluationConfig evaluation;
    evaluation.mode = EvaluationMode::rank;
    // A label's text is its place among the words, so no vocabulary is needed.
    TextCodec codec{[this](const std::string& text) { return words_.at(parse_number<std::size_t>(text).value()); },
                    [](const std::vector<std::int64_t>&) { return std::string(); }, 0};
    evaluator_.emplace(*bench_.backbone, std::move(codec), std::move(config), evaluation, 0);
  }

  void step() override { benchmark::DoNotOptimize(evaluator_->evaluate(bench_.plan, examples_, texts_)); }

  double flops() const override {
    const double encoder = bench_.count(0).forward;
    double flops = encoder;
    for (const auto& word : words_) flops += bench_.count(std::ssize(word) + 1).forward - encoder;
    return flops;
  }

 private:
  Bench bench_;
  std::vector<std::vector<std::int64_t>> words_;
  std::vector<EncodedExample> examples_;
  std::vector<TextExample> texts_;
  std::optional<Evaluator> evaluator_;
};

// x Wᵀ of the maps of a block: by LibTorch, by oneDNN with packed weights, by LibTorch in int8, or by our tiles.
class Products final : public Work {
 public:
  enum class By { plain, packed, int_mm, tiles };

  Products(const SpeedTask& task, By by) : by_(by) {
    const BackboneSpec& spec = task.spec;
    const std::int64_t d = spec.d_model;
    for (const auto& [in, out] : {std::pair(d, spec.inner()), {spec.inner(), d}, {d, spec.d_ff}, {spec.d_ff, d}}) {
      Map map;
      if (by == By::tiles) {
        map.x = at::empty({task.rows, in}).normal_();
        const bool int8 = task.load.quantization == Quantization::int8;
        const FrozenMatrix weight(at::empty({out, in}).normal_(), int8 ? at::kChar : type_of(task.load.precision));
        map.tiles = std::make_shared<const backbone::kernels::FrozenMap>(weight);
      } else if (by == By::int_mm) {
        map.x = at::randint(-127, 128, {task.rows, in}, at::kChar);
        map.weight = at::randint(-127, 128, {in, out}, at::kChar);
      } else {
        map.x = at::empty({task.rows, in}).normal_().to(type_of(task.load.precision));
        map.weight = at::empty({out, in}).normal_().to(type_of(task.load.precision));
        if (by == By::packed) map.packed.emplace(map.weight);
      }
      map.x = map.x.to(task.load.device);
      if (map.weight.defined()) map.weight = map.weight.to(task.load.device);
      flops_ += 2.0 * static_cast<double>(task.rows * in * out);
      maps_.push_back(std::move(map));
    }
  }

  void step() override {
    const at::NoGradGuard no_grad;
    for (const Map& map : maps_) benchmark::DoNotOptimize(product(map));
  }

  double flops() const override { return flops_; }

 private:
  struct Map {
    Tensor x, weight;
    std::optional<PackedMatrix> packed;
    std::shared_ptr<const backbone::kernels::FrozenMap> tiles;
  };
  Tensor product(const Map& map) const {
    if (map.tiles) return backbone::kernels::products(map.x, {}, {map.tiles}).front();
    if (by_ == By::int_mm) return at::_int_mm(map.x, map.weight);
    return map.packed ? map.packed->multiply(map.x) : at::linear(map.x, map.weight);
  }

  By by_;
  std::vector<Map> maps_;
  double flops_ = 0;
};

// A device goes on computing when a call has returned.
void wait_for(c10::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

// Of memory that the system had not given yet: what is freed and taken again is given anew where it is large.
std::int64_t page_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// Each repetition is `steps` steps of the same work; a process warms up with one.
void register_work(const std::string& name, std::shared_ptr<Work> work, c10::Device device, int steps) {
  auto run = [work, device, warm = false](benchmark::State& state) mutable {
    if (!warm) work->step();
    warm = true;
    wait_for(device);
    const auto allocated = allocations();
    const std::int64_t faults = page_faults();
    for (auto unused : state) {
      work->step();
      wait_for(device);
    }
    state.counters["GFLOP/s"] = {work->flops() / 1e9, benchmark::Counter::kIsIterationInvariantRate};
    const auto each = [](std::int64_t count) {
      return benchmark::Counter(static_cast<double>(count), benchmark::Counter::kAvgIterations);
    };
    if (allocated) state.counters["allocations"] = each(*allocations() - *allocated);
    state.counters["page_faults"] = each(page_faults() - faults);
    state.counters["peak_MiB"] = static_cast<double>(peak_memory_bytes()) / (1 << 20);
  };
  benchmark::RegisterBenchmark(name.c_str(), run)
      ->Iterations(steps)
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->MeasureProcessCPUTime();
}

void register_products(const SpeedTask& task) {
  const auto add = [&](const std::string& name, Products::By by) {
    register_work("products/" + name, std::make_shared<Products>(task, by), task.load.device, 10);  // of milliseconds
  };
  add("plain", Products::By::plain);
  if (task.load.device.is_cpu() && PackedMatrix::available()) add("packed", Products::By::packed);
  const bool int8 = task.load.quantization == Quantization::int8;
  if (int8) add("int_mm", Products::By::int_mm);
  if (task.load.device.is_cpu() && FrozenMatrix::available(int8 ? at::kChar : type_of(task.load.precision)))
    add("tiles", Products::By::tiles);
}

void register_task(const SpeedTask& task) {
  if (task.work == "products") return register_products(task);
  std::shared_ptr<Work> work;
  if (task.work == "training_step") work = std::make_shared<TrainingStep>(task);
  if (task.work == "greedy") work = std::make_shared<Greedy>(task);
  if (task.work == "ranking") work = std::make_shared<Ranking>(task);
  if (!work) {
    throw DataError(
        Problem{"there is no such work", task.work, "training_step, greedy, ranking or products", "change the task"});
  }
  register_work(task.work, std::move(work), task.load.device, 1);
}

int run(int argc, char** argv) {
  config::tune_process();  // as the program runs
  benchmark::Initialize(&argc, argv);
  if (argc != 2) {
    std::fputs("usage: training_step TASK.json [--benchmark_…]; benchmarks/speed writes the tasks and runs it\n",
               stderr);
    return 2;
  }
  try {
    const SpeedTask task = read_task(argv[1]);
    use_arithmetic(task.load.device, {});
    benchmark::AddCustomContext("libtorch", PEFTBENCH_TORCH_VERSION);
    benchmark::AddCustomContext("commit", config::built_commit);
    benchmark::AddCustomContext("tree", config::built_tree);
    register_task(task);
    benchmark::RunSpecifiedBenchmarks();
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
  return 0;
}

}  // namespace
}  // namespace peftbench::speed

int main(int argc, char** argv) { return peftbench::speed::run(argc, argv); }
