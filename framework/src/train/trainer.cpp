#include "train/trainer.h"

#include "core/clock.h"
#include "core/random.h"
#include "train/divergence.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <utility>

namespace peftbench {

namespace {

// Gradients are looked at for so many steps. Rows of an embedding table that no batch of them used count as
// receiving none.
constexpr std::int64_t probed_steps = 5;

nlohmann::json to_json(const EvaluationPoint& point) {
  auto metrics = nlohmann::json::array();
  for (const auto& m : point.metrics) {
    metrics.push_back({{"name", m.name}, {"value", m.value}, {"n", m.n}, {"low", m.low}, {"high", m.high}});
  }
  return {{"step", point.step}, {"loss", point.loss}, {"illegal_rate", point.illegal_rate}, {"metrics", metrics}};
}

EvaluationPoint point_from(const nlohmann::json& json) {
  EvaluationPoint point{json.at("step"), json.at("loss"), json.at("illegal_rate"), {}};
  for (const auto& m : json.at("metrics"))
    point.metrics.push_back({m.at("name"), m.at("value"), m.at("n"), m.at("low"), m.at("high")});
  return point;
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

class Trainer {
 public:
  Trainer(const TrainConfig& config, const TrainingJob& job);
  TrainingResult run();

 private:
  void resume(const TrainState& state);
  double step();
  void evaluate();
  void finish();
  void save(bool done) const;
  std::size_t example_at(std::int64_t place);
  void watch_gradients(const std::vector<Tensor>& gradients);
  void log(nlohmann::json event) const;
  void report(double loss) const;

  const TrainConfig& config_;
  const TrainingJob& job_;
  EncoderCache own_cache_;
  EncoderCache* cache_;  // null where encoder outputs change from step to step
  ParameterSlots parameters_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<Tensor> seen_;  // elements whose gradient was not 0
  TrainingResult result_;
  TensorMap best_;
  double best_score_ = 0, best_loss_ = 0;
  std::int64_t evaluations_since_best_ = 0;
  bool done_ = false;
  std::int64_t epoch_ = -1;
  std::vector<std::uint32_t> order_;  // of the epoch
};

Trainer::Trainer(const TrainConfig& config, const TrainingJob& job)
    : config_(config),
      job_(job),
      own_cache_(job.backbone, config.encoder_cache_bytes),
      cache_(uses_encoder_cache(config, job.plan) ? (job.encoder_cache ? job.encoder_cache : &own_cache_) : nullptr),
      parameters_(job.plan.trained()) {
  check(config);
  if (job.examples.empty() && !parameters_.empty()) {
    throw DataError({"no training examples", "0 training examples", "at least one", "check the task's split sizes"});
  }
  if (compares_choices(config) && !parameters_.empty()) check_choices(job.plan, job.choices, job.examples);
  optimizer_ = make_optimizer(config, parameters_);
  for (const auto& slot : parameters_) seen_.push_back(at::zeros_like(slot->value, at::kByte).detach());
}

TrainingResult Trainer::run() {
  const auto state = job_.checkpoints ? job_.checkpoints->load() : std::nullopt;
  const bool resumed = state.has_value();
  if (resumed) {
    resume(*state);
  } else if (job_.log) {
    job_.log->go_back_to({});  // of a run that was killed before its first checkpoint
  }
  const std::int64_t steps = parameters_.empty() ? 0 : config_.steps;
  if (!resumed && config_.evaluate_at_start) evaluate();
  while (!done_ && result_.steps < steps) {
    const Stopwatch clock;
    const double loss = step();
    result_.train_seconds += clock.wall_seconds();
    const std::int64_t at = result_.steps;
    const bool last = at == steps;
    const bool evaluates = last || (config_.evaluate_every > 0 && at % config_.evaluate_every == 0);
    if (evaluates) require_finite_parameters("training", at, job_.backbone, job_.plan);
    if (evaluates) evaluate();
    if (result_.stopped_early) break;
    result_.interrupted = !last && job_.stop && job_.stop();
    const bool due = config_.checkpoint_every > 0 && at % config_.checkpoint_every == 0;
    if (!last && job_.checkpoints && (due || result_.interrupted)) save(false);
    if (result_.interrupted) break;
    report(loss);
  }
  if (!done_ && !result_.interrupted) finish();
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

double Trainer::step() {
  const std::int64_t micro_batches = config_.gradient_accumulation;
  StepTotals totals{0, micro_batches};
  const Choices* choices = compares_choices(config_) ? &job_.choices : nullptr;
  std::vector<ExampleBatch> batches;
  std::vector<EncodedExample> examples;  // of the whole step; the batches point to them
  examples.reserve(static_cast<std::size_t>(micro_batches * config_.batch_size));
  std::vector<std::size_t> shown;  // for the log: that two runs saw the same batches can be checked
  std::int64_t place = result_.steps * micro_batches * config_.batch_size;
  for (std::int64_t m = 0; m < micro_batches; ++m) {
    std::vector<std::size_t> chosen;
    for (std::int64_t i = 0; i < config_.batch_size; ++i) chosen.push_back(example_at(place++));
    const auto& groups = job_.groups;
    if (!groups.empty()) {
      std::stable_sort(chosen.begin(), chosen.end(),
                       [&](std::size_t a, std::size_t b) { return groups[a] < groups[b]; });
    }
    shown.insert(shown.end(), chosen.begin(), chosen.end());
    ExampleBatch batch;
    batch.copies = replicas_of(job_.plan);
    batch.choices = choices;
    for (const std::size_t index : chosen) {
      const EncodedExample& example = examples.emplace_back(job_.examples[index]);
      if (choices) check_choice(*choices, example);
      batch.examples.push_back(&example);
      if (!groups.empty()) batch.groups.push_back(groups[index]);
      count(example, job_.plan, choices, totals);
      result_.tokens += static_cast<std::int64_t>(example.input.size() + example.target.size());
    }
    batches.push_back(std::move(batch));
  }

  for (const auto& slot : parameters_) slot->value.mutable_grad() = Tensor();
  double loss = 0;
  for (std::int64_t m = 0; m < micro_batches; ++m) {
    const auto index = static_cast<std::uint64_t>(result_.steps * micro_batches + m);
    const auto seed = stream_seed(static_cast<std::uint64_t>(config_.seed), "dropout", index);
    try {
      loss += add_gradients(config_, job_.backbone, job_.plan, batches[m], totals, seed, cache_);
    } catch (const NotFiniteError& error) {  // of what the cache keeps
      const std::size_t example = shown[static_cast<std::size_t>(m * config_.batch_size) +
                                        static_cast<std::size_t>(error.place() / batches[m].copies)];
      refuse_evaluation("training", result_.steps, error.of("training example " + std::to_string(example)));
    }
  }
  std::vector<Tensor> gradients;
  for (const auto& slot : parameters_) {
    gradients.push_back(slot->value.grad());
    slot->value.mutable_grad() = Tensor();
  }
  if (result_.steps < probed_steps) watch_gradients(gradients);
  const double norm = clip_gradients(gradients, config_.clip_norm);
  require_finite_step("training", result_.steps + 1, loss, norm, job_.backbone, job_.plan);
  const double rate = learning_rate_at(config_, result_.steps);
  optimizer_->step(gradients, rate);
  ++result_.steps;
  for (const auto& group : job_.plan.groups()) {
    if (!group->step) continue;
    at::NoGradGuard no_grad;
    group->step->step_end({result_.steps, config_.steps});
  }
  if (result_.steps == 1) result_.first_loss = loss;
  result_.last_loss = loss;
  result_.examples += micro_batches * config_.batch_size;
  if (result_.steps % config_.log_every == 0 || result_.steps == config_.steps) {
    log({{"event", "step"},
         {"step", result_.steps},
         {"loss", loss},
         {"learning_rate", rate},
         {"gradient_norm", norm},
         {"examples", shown}});
  }
  return loss;
}

void Trainer::watch_gradients(const std::vector<Tensor>& gradients) {
  at::NoGradGuard no_grad;
  result_.receiving_gradient.clear();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (gradients[i].defined()) seen_[i].bitwise_or_(gradients[i].ne(0).to(at::kByte));
    // A sum over plans of a stack, where names repeat.
    result_.receiving_gradient[parameters_[i]->name] += seen_[i].sum(at::kLong).item<std::int64_t>();
  }
}

void Trainer::evaluate() {
  if (!job_.validate) return;
  const Stopwatch clock;
  const Evaluation evaluation = [&] {
    try {
      return job_.validate(job_.plan);
    } catch (const NotFiniteError& error) {
      refuse_evaluation("training", result_.steps, error);
    }
  }();
  result_.evaluate_seconds += clock.wall_seconds();
  EvaluationPoint point{result_.steps, evaluation.loss.value_or(0), evaluation.illegal_rate, evaluation.metrics};
  auto event = to_json(point);
  event["event"] = "evaluation";
  log(std::move(event));
  // Equal scores are common on small splits and weak backbones; the loss tells them apart.
  const double score = point.metrics.empty() ? 0 : point.metrics.front().value, loss = point.loss;
  result_.evaluations.push_back(std::move(point));
  if (result_.steps == 0) return;  // for comparison only: an untrained method is no candidate
  // A score or a loss that is not a number compares as neither larger nor smaller: it is no candidate.
  const bool candidate = std::isfinite(score) && std::isfinite(loss);
  if (candidate && (best_.empty() || score > best_score_ || (score == best_score_ && loss < best_loss_))) {
    best_score_ = score;
    best_loss_ = loss;
    result_.best_step = result_.steps;
    best_.clear();
    for (const auto& [name, tensor] : job_.plan.training()) best_.emplace(name, tensor.clone());
    evaluations_since_best_ = 0;
  } else if (++evaluations_since_best_ == config_.patience) {
    result_.stopped_early = true;
  }
}

void Trainer::finish() {
  if (best_.empty()) {
    const bool evaluated = !result_.evaluations.empty() && result_.evaluations.back().step > 0;
    if (evaluated && !parameters_.empty()) {
      throw Error({"no evaluation has a finite score and loss, so no checkpoint can be selected",
                   std::to_string(result_.evaluations.size()) + " evaluations, the last after step " +
                       std::to_string(result_.evaluations.back().step),
                   "finite numbers", "check the validation split and the method's settings"});
    }
    result_.best_step = result_.steps;
  } else {
    job_.plan.load_training(best_);
  }
  log({{"event", "end"},
       {"step", result_.steps},
       {"best_step", result_.best_step},
       {"stopped_early", result_.stopped_early}});
  done_ = true;
  if (job_.checkpoints) save(true);
}

void Trainer::save(bool done) const {
  TrainState state;
  state.step = result_.steps;
  state.parameters = job_.plan.training();
  if (!done) {
    require_finite_parameters("training", state.step, job_.backbone, job_.plan);  // the checkpoint before it is better
    state.optimizer = optimizer_->state();
    state.best = best_;
    if (result_.steps < probed_steps) {
      for (std::size_t i = 0; i < seen_.size(); ++i) state.seen.emplace(std::to_string(i), seen_[i]);
    }
  }
  const LogPosition logged = job_.log ? job_.log->flush() : LogPosition();
  auto evaluations = nlohmann::json::array();
  for (const auto& point : result_.evaluations) evaluations.push_back(to_json(point));
  state.progress = {{"done", done},
                    {"best_step", result_.best_step},
                    {"best_score", best_score_},
                    {"best_loss", best_loss_},
                    {"evaluations", evaluations},
                    {"evaluations_since_best", evaluations_since_best_},
                    {"stopped_early", result_.stopped_early},
                    {"first_loss", result_.first_loss},
                    {"last_loss", result_.last_loss},
                    {"examples", result_.examples},
                    {"tokens", result_.tokens},
                    {"receiving_gradient", result_.receiving_gradient},
                    {"log", logged.bytes},
                    {"log_sha256", logged.sha256}};
  job_.checkpoints->save(state);
}

void Trainer::resume(const TrainState& state) try {
  if (job_.warn && !state.warning.empty()) job_.warn(state.warning);
  const auto& progress = state.progress;
  job_.plan.load_training(state.parameters);
  done_ = progress.at("done");
  result_.steps = result_.resumed_at = state.step;
  result_.best_step = progress.at("best_step");
  best_score_ = progress.at("best_score");
  best_loss_ = progress.at("best_loss");
  for (const auto& point : progress.at("evaluations")) result_.evaluations.push_back(point_from(point));
  evaluations_since_best_ = progress.at("evaluations_since_best");
  result_.stopped_early = progress.at("stopped_early");
  result_.first_loss = progress.at("first_loss");
  result_.last_loss = progress.at("last_loss");
  result_.examples = progress.at("examples");
  result_.tokens = progress.at("tokens");
  result_.receiving_gradient = progress.at("receiving_gradient").get<std::map<std::string, std::int64_t>>();
  if (job_.log) {
    const std::string lost = job_.log->go_back_to({progress.at("log"), progress.value("log_sha256", "")});
    if (job_.warn && !lost.empty()) job_.warn(lost);
  }
  if (done_) return;
  best_ = state.best;
  optimizer_->load(state.optimizer, state.step);
  for (std::size_t i = 0; i < seen_.size(); ++i)
    if (const auto seen = state.seen.find(std::to_string(i)); seen != state.seen.end()) seen_[i].copy_(seen->second);
} catch (const nlohmann::json::exception& fault) {
  throw CheckpointError({"the checkpoint of this run was written by another version", fault.what(),
                         "all fields that this version needs to continue", "train the run again with --again"});
}

void Trainer::log(nlohmann::json event) const {
  if (job_.log) job_.log->append(event);
}

void Trainer::report(double loss) const {
  if (!job_.progress) return;
  std::string detail = "loss " + fixed(loss, 3);
  if (!result_.evaluations.empty() && !result_.evaluations.back().metrics.empty()) {
    const auto& metric = result_.evaluations.back().metrics.front();
    detail += ", validation " + metric.name + " " + fixed(metric.value, 3);
  }
  job_.progress->update({"train", result_.steps, config_.steps, detail});
}

}  // namespace

bool uses_encoder_cache(const TrainConfig& config, const CompiledPlan& plan) {
  return plan.leaves_encoder_alone() && (config.dropout == 0 || !config.encoder_dropout);
}

TrainingResult train(const TrainConfig& config, const TrainingJob& job) { return Trainer(config, job).run(); }

}  // namespace peftbench
