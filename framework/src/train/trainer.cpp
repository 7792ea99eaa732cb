#include "train/trainer.h"

#include "backbone/finite.h"
#include "core/random.h"
#include "devices/memory.h"
#include "devices/out_of_memory.h"
#include "train/loop.h"
#include "train/loss.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

namespace peftbench::train {

namespace {

// Gradients are looked at for so many steps. Rows of an embedding table that no batch of them used count as
// receiving none.
constexpr std::int64_t probed_steps = 5;

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

class Trainer final : public LoopJob {
 public:
  Trainer(const TrainConfig& config, const TrainingJob& job);
  TrainingResult run();

 private:
  void draw(const LoopState& at) override;
  double add_gradients(const LoopState& at) override;
  void watch(const LoopState& at, const std::vector<Tensor>& gradients) override;
  void describe(nlohmann::json& step_event) const override;
  void after_step(const LoopState& at, const LoopStep& step) override;
  std::optional<Validation> validate(const LoopState& at) override;
  void after_checkpoint(const LoopState& at, const LoopStep& step) override;
  void finish(const LoopState& at) override;
  void store(const LoopState& at, TrainState& state) const override;
  void restore(const TrainState& state) override;

  double add_batch(const ExampleBatch& batch, const StepTotals& totals, std::int64_t index);
  bool fits(const ExampleBatch& batch, std::int64_t index);
  OutOfMemoryError too_large(const std::exception& error, std::int64_t step, std::int64_t micro_batch);
  std::size_t example_at(std::int64_t place);
  ExampleBatch batch_of(const std::vector<std::size_t>& chosen);

  // What a step sees.
  struct Drawn {
    std::vector<EncodedExample> examples;  // of all batches, which point to them
    std::vector<ExampleBatch> batches;
    std::vector<std::size_t> shown;  // for the log: that two runs saw the same batches can be checked
    StepTotals totals;
    std::int64_t tokens = 0;  // of inputs and targets
  };

  const TrainConfig& config_;
  const TrainingJob& job_;
  const Choices* choices_;  // null where no loss compares them
  EncoderCache own_cache_;
  EncoderCache* cache_;  // null where encoder outputs change from step to step
  ParameterSlots parameters_;
  std::vector<Tensor> seen_;  // elements whose gradient was not 0
  TrainingResult result_;
  Drawn drawn_;
  std::int64_t epoch_ = -1;
  std::vector<std::uint32_t> order_;  // of the epoch
};

Trainer::Trainer(const TrainConfig& config, const TrainingJob& job)
    : config_(config),
      job_(job),
      choices_(compares_choices(config) ? &job.choices : nullptr),
      own_cache_(job.backbone, config.encoder_cache_bytes),
      cache_(uses_encoder_cache(config, job.plan) ? (job.encoder_cache ? job.encoder_cache : &own_cache_) : nullptr),
      parameters_(job.plan.trained()) {
  check(config);
  if (job.examples.empty() && !parameters_.empty()) {
    throw DataError({"no training examples", "0 training examples", "at least one", "check the task's split sizes"});
  }
  if (choices_ && !parameters_.empty()) check_choices(job.plan, job.choices, job.examples);
  for (const auto& slot : parameters_) seen_.push_back(at::zeros_like(slot->value, at::kByte).detach());
}

TrainingResult Trainer::run() {
  LoopSetup setup{config_, job_.backbone, job_.plan, "training", "train the run again with --again"};
  setup.evaluate_at_start = config_.evaluate_at_start;
  setup.chooses_best = true;
  setup.checkpoints = job_.checkpoints;
  setup.log = job_.log;
  setup.stop = job_.stop;
  setup.warn = job_.warn;
  const LoopState end = TrainLoop(std::move(setup), *this).run();
  result_.steps = end.steps;
  result_.resumed_at = end.resumed_at;
  result_.interrupted = end.interrupted;
  result_.best_step = end.best.step();
  result_.stopped_early = end.best.stopped_early();
  result_.evaluations = end.best.evaluations();
  {
    at::NoGradGuard no_grad;  // derived values of the parameters that were kept, for whoever stores them
    job_.backbone.refresh(job_.plan);
  }
  if (cache_) {
    result_.encoder_cache_used = true;
    result_.encoder_cache = cache_->counts();
  }
  return std::move(result_);
}

std::size_t Trainer::example_at(std::int64_t place) {
  if (job_.draw) return job_.draw(place);
  const auto n = static_cast<std::int64_t>(job_.examples.size());
  if (epoch_ != place / n) {
    epoch_ = place / n;
    order_.resize(job_.examples.size());
    std::iota(order_.begin(), order_.end(), std::uint32_t{0});
    Random(stream_seed(static_cast<std::uint64_t>(config_.seed), "order", static_cast<std::uint64_t>(epoch_)))
        .shuffle(order_);
  }
  return order_[static_cast<std::size_t>(place % n)];
}

void Trainer::draw(const LoopState& at) {
  const std::int64_t micro_batches = config_.gradient_accumulation, size = config_.batch_size;
  drawn_.totals = {0, micro_batches};
  drawn_.examples.reserve(static_cast<std::size_t>(micro_batches * size));
  std::int64_t place = at.steps * micro_batches * size;
  for (std::int64_t m = 0; m < micro_batches; ++m) {
    std::vector<std::size_t> chosen;
    for (std::int64_t i = 0; i < size; ++i) chosen.push_back(example_at(place++));
    const auto& groups = job_.groups;
    if (!groups.empty()) {
      std::stable_sort(chosen.begin(), chosen.end(),
                       [&](std::size_t a, std::size_t b) { return groups[a] < groups[b]; });
    }
    drawn_.shown.insert(drawn_.shown.end(), chosen.begin(), chosen.end());
    drawn_.batches.push_back(batch_of(chosen));
  }
  result_.examples += micro_batches * size;
  result_.tokens += drawn_.tokens;
}

ExampleBatch Trainer::batch_of(const std::vector<std::size_t>& chosen) {
  ExampleBatch batch;
  batch.copies = replicas_of(job_.plan);
  batch.choices = choices_;
  for (const std::size_t index : chosen) {
    const EncodedExample& example = drawn_.examples.emplace_back(job_.examples[index]);
    if (choices_) check_choice(*choices_, example);
    batch.examples.push_back(&example);
    if (!job_.groups.empty()) batch.groups.push_back(job_.groups[index]);
    count(example, job_.plan, choices_, drawn_.totals);
    drawn_.tokens += static_cast<std::int64_t>(example.input.size() + example.target.size());
  }
  return batch;
}

double Trainer::add_gradients(const LoopState& at) {
  const std::int64_t micro_batches = config_.gradient_accumulation;
  double loss = 0;
  for (std::int64_t m = 0; m < micro_batches; ++m) {
    const ExampleBatch& batch = drawn_.batches[static_cast<std::size_t>(m)];
    try {
      loss += add_batch(batch, drawn_.totals, at.steps * micro_batches + m);
    } catch (const NotFiniteError& error) {  // of what the cache keeps
      const std::size_t example = drawn_.shown[static_cast<std::size_t>(m * config_.batch_size) +
                                               static_cast<std::size_t>(error.place() / batch.copies)];
      throw error.of("training example " + std::to_string(example));
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error)) throw;
      result_.examples -= micro_batches * config_.batch_size;
      result_.tokens -= drawn_.tokens;
      throw too_large(error, at.steps + 1, m);
    }
  }
  return loss;
}

// `index`: of the batch in the whole run.
double Trainer::add_batch(const ExampleBatch& batch, const StepTotals& totals, std::int64_t index) {
  const auto seed = stream_seed(static_cast<std::uint64_t>(config_.seed), "dropout", static_cast<std::uint64_t>(index));
  return train::add_gradients(config_, job_.backbone, job_.plan, batch, totals, seed, cache_);
}

bool Trainer::fits(const ExampleBatch& batch, std::int64_t index) {
  StepTotals totals{0, 1};
  for (const EncodedExample* example : batch.examples) count(*example, job_.plan, choices_, totals);
  bool enough = true;
  try {
    add_batch(batch, totals, index);
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    enough = false;
  }
  for (const auto& slot : parameters_) slot->value.mutable_grad() = Tensor();
  return enough;
}

// The longer half of a batch, in its order.
ExampleBatch longer_half(const ExampleBatch& batch) {
  std::vector<std::size_t> chosen(batch.examples.size());
  std::iota(chosen.begin(), chosen.end(), std::size_t{0});
  std::stable_sort(chosen.begin(), chosen.end(), [&](std::size_t a, std::size_t b) {
    return batch.examples[a]->input.size() > batch.examples[b]->input.size();
  });
  chosen.resize(chosen.size() / 2);
  std::sort(chosen.begin(), chosen.end());
  return some_of(batch, chosen);
}

// What would fit is measured once, with half of the batch.
OutOfMemoryError Trainer::too_large(const std::exception& error, std::int64_t step, std::int64_t micro_batch) {
  for (const auto& slot : parameters_) slot->value.mutable_grad() = Tensor();
  release_memory_of(job_.backbone.device());
  const ExampleBatch& batch = drawn_.batches[static_cast<std::size_t>(micro_batch)];
  const std::int64_t size = config_.batch_size, half = size / 2;
  const std::string doing = "training step " + std::to_string(step) + " with a batch of " + std::to_string(size) +
                            (size == 1 ? " example" : " examples");
  if (half > 0 && fits(longer_half(batch), (step - 1) * config_.gradient_accumulation + micro_batch))
    return out_of_memory(job_.backbone.device(), doing, error,
                         "a batch of " + std::to_string(half) + " fits: measured with its longer half",
                         "set train.batch_size=" + std::to_string(half) +
                             " and train.gradient_accumulation=" + std::to_string(config_.gradient_accumulation * 2) +
                             ", which gives steps of as many examples");
  return out_of_memory(job_.backbone.device(), doing, error,
                       half > 0 ? "memory for it; a batch of " + std::to_string(half) + " does not fit either" : "",
                       "set a smaller train.batch_size or task.max_input_tokens, backbone.precision=bfloat16 or "
                       "backbone.quantization=nf4, or choose a smaller backbone");
}

void Trainer::watch(const LoopState& at, const std::vector<Tensor>& gradients) {
  if (at.steps >= probed_steps) return;
  at::NoGradGuard no_grad;
  result_.receiving_gradient.clear();
  std::vector<Tensor> counts;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (gradients[i].defined()) seen_[i].bitwise_or_(gradients[i].ne(0).to(at::kByte));
    counts.push_back(seen_[i].sum(at::kLong));
  }
  if (counts.empty()) return;
  const Tensor all = at::stack(counts).cpu();
  // A sum over plans of a stack, where names repeat.
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    result_.receiving_gradient[parameters_[i]->name] += all.const_data_ptr<std::int64_t>()[i];
}

void Trainer::describe(nlohmann::json& step_event) const { step_event["examples"] = drawn_.shown; }

void Trainer::after_step(const LoopState& at, const LoopStep& step) {
  drawn_ = {};
  if (at.steps == 1) result_.first_loss = step.loss;
  result_.last_loss = step.loss;
}

std::optional<Validation> Trainer::validate(const LoopState& at) {
  if (!job_.validate) return std::nullopt;
  const Evaluation evaluation = job_.validate(job_.plan);
  EvaluationPoint point{at.steps, evaluation.loss.value_or(0), evaluation.illegal_rate, evaluation.metrics};
  auto event = to_json(point);
  return Validation{std::move(event), std::move(point)};
}

void Trainer::after_checkpoint(const LoopState& at, const LoopStep& step) {
  if (!job_.progress) return;
  std::string detail = "loss " + fixed(step.loss, 3);
  if (const auto& evaluations = at.best.evaluations(); !evaluations.empty() && !evaluations.back().metrics.empty()) {
    const auto& metric = evaluations.back().metrics.front();
    detail += ", validation " + metric.name + " " + fixed(metric.value, 3);
  }
  job_.progress->update({"train", at.steps, config_.steps, detail});
}

void Trainer::finish(const LoopState& at) {
  if (!job_.log) return;
  job_.log->append({{"event", "end"},
                    {"step", at.steps},
                    {"best_step", at.best.step()},
                    {"stopped_early", at.best.stopped_early()}});
}

void Trainer::store(const LoopState& at, TrainState& state) const {
  auto& progress = state.progress;
  progress["first_loss"] = result_.first_loss;
  progress["last_loss"] = result_.last_loss;
  progress["examples"] = result_.examples;
  progress["tokens"] = result_.tokens;
  progress["receiving_gradient"] = result_.receiving_gradient;
  if (at.done || at.steps >= probed_steps) return;
  for (std::size_t i = 0; i < seen_.size(); ++i) state.seen.emplace(std::to_string(i), seen_[i]);
}

void Trainer::restore(const TrainState& state) {
  const auto& progress = state.progress;
  result_.first_loss = progress.at("first_loss");
  result_.last_loss = progress.at("last_loss");
  result_.examples = progress.at("examples");
  result_.tokens = progress.at("tokens");
  result_.receiving_gradient = progress.at("receiving_gradient").get<std::map<std::string, std::int64_t>>();
  for (std::size_t i = 0; i < seen_.size(); ++i)
    if (const auto seen = state.seen.find(std::to_string(i)); seen != state.seen.end()) seen_[i].copy_(seen->second);
}

}  // namespace

bool uses_encoder_cache(const TrainConfig& config, const CompiledPlan& plan) {
  return plan.leaves_encoder_alone() && (config.dropout == 0 || !config.encoder_dropout);
}

TrainingResult train(const TrainConfig& config, const TrainingJob& job) { return Trainer(config, job).run(); }

}  // namespace peftbench::train
