#include "pretrain/pretrainer.h"

#include "core/clock.h"
#include "core/random.h"
#include "eval/likelihood.h"
#include "train/divergence.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>

namespace peftbench {
namespace {

constexpr std::string_view trained_suffix = ".trained";  // of PlanBuilder::train

ExampleBatch batch_of(const std::vector<EncodedExample>& examples) {
  ExampleBatch batch;
  for (const EncodedExample& example : examples) batch.examples.push_back(&example);
  return batch;
}

std::int64_t tokens_of(const std::vector<EncodedExample>& examples) {
  std::int64_t tokens = 0;
  for (const EncodedExample& example : examples)
    tokens += static_cast<std::int64_t>(example.input.size() + example.target.size());
  return tokens;
}

CompiledPlan plan_of_everything(const BackboneSpec& spec) {
  PlanBuilder builder(spec);
  builder.set_claimant("pre-training");
  for (const ParameterSite& site : spec.parameters()) builder.train(site);
  CompiledPlan plan(builder.finish());
  return plan;
}

class Pretrainer {
 public:
  explicit Pretrainer(PretrainJob job);
  PretrainResult run();

 private:
  void resume(const TrainState& state);
  void save() const;
  void step();
  double add_objective(std::size_t pool, std::vector<std::vector<EncodedExample>> batches, std::uint64_t seed);
  void evaluate();
  double held_out_loss(const ExamplePool& pool) const;
  void keep(const std::string& name) const;
  TensorMap weights() const;

  PretrainJob job_;
  const PretrainConfig& config_;
  std::shared_ptr<const Backbone> backbone_;
  CompiledPlan plan_;
  ParameterSlots parameters_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<std::int64_t> cursors_;  // of the pools
  PretrainResult result_;
  double loss_ = 0;
  bool done_ = false;
};

Pretrainer::Pretrainer(PretrainJob job)
    : job_(std::move(job)),
      config_(job_.config),
      backbone_(Backbone::from_tensors(job_.spec, job_.start, {config_.compute, Quantization::none})),
      plan_(plan_of_everything(backbone_->spec())),
      cursors_(job_.pools.size(), 0) {
  // From the fp32 values themselves, not from the backbone's rounded ones; cloned, since those may lie in a mapped
  // file.
  TensorMap first;
  for (const auto& [name, tensor] : job_.start)
    first.emplace(name + std::string(trained_suffix), tensor.to(at::kFloat).clone());
  plan_.load_training(first);
  job_.start.clear();
  parameters_ = plan_.trained();
  optimizer_ = make_optimizer(config_.train, parameters_);
}

PretrainResult Pretrainer::run() {
  if (const auto state = job_.checkpoints.load()) {
    resume(*state);
  } else {
    job_.log.go_back_to({});  // of a process that was killed before its first checkpoint
    evaluate();
  }
  const TrainConfig& train = config_.train;
  while (!done_ && result_.steps < train.steps) {
    step();
    const std::int64_t at = result_.steps;
    const bool last = at == train.steps;
    if (last || (train.evaluate_every > 0 && at % train.evaluate_every == 0)) evaluate();
    for (const Snapshot& snapshot : config_.snapshots)
      if (snapshot.step == at) keep(snapshot.name);
    result_.interrupted = !last && job_.stop && job_.stop();
    const bool due = train.checkpoint_every > 0 && at % train.checkpoint_every == 0;
    if (!last && (due || result_.interrupted)) save();
    if (result_.interrupted) return std::move(result_);
  }
  if (!done_ || job_.keep_again) keep(config_.name);
  if (!done_) {
    done_ = true;
    save();
  }
  return std::move(result_);
}

void Pretrainer::step() {
  const Stopwatch clock;
  const std::int64_t at = result_.steps, micro_batches = config_.train.gradient_accumulation;
  for (const auto& slot : parameters_) slot->value.mutable_grad() = Tensor();
  double loss = 0;
  nlohmann::json losses;
  std::int64_t tokens = 0;
  for (std::size_t p = 0; p < job_.pools.size(); ++p) {
    const ExamplePool& pool = job_.pools[p];
    const auto budget = static_cast<std::int64_t>(pool.share * static_cast<double>(config_.tokens));
    std::vector<std::vector<EncodedExample>> batches;
    for (std::int64_t m = 0; m < micro_batches; ++m) {
      batches.push_back(draw_packed(pool, budget, cursors_[p]));
      tokens += tokens_of(batches.back());
    }
    const auto seed = stream_seed(static_cast<std::uint64_t>(config_.train.seed), "dropout/" + pool.objective,
                                  static_cast<std::uint64_t>(at));
    const double part = add_objective(p, std::move(batches), seed);
    losses[pool.objective] = part / pool.share;
    loss += part;
  }
  std::vector<Tensor> gradients;
  for (const auto& slot : parameters_) {
    gradients.push_back(slot->value.grad());
    slot->value.mutable_grad() = Tensor();
  }
  const double norm = clip_gradients(gradients, config_.train.clip_norm);
  require_finite_step("pre-training", at + 1, loss, norm, *backbone_, plan_);
  const double rate = learning_rate_at(config_.train, at);
  optimizer_->step(gradients, rate);
  ++result_.steps;
  loss_ = loss;
  result_.tokens += tokens;
  result_.tokens_here += tokens;
  result_.seconds_here += clock.wall_seconds();
  if (result_.steps % config_.train.log_every == 0 || result_.steps == config_.train.steps) {
    job_.log.append({{"event", "step"},
                     {"step", result_.steps},
                     {"loss", loss},
                     {"losses", losses},
                     {"learning_rate", rate},
                     {"gradient_norm", norm},
                     {"tokens", result_.tokens}});
  }
  char detail[64];
  std::snprintf(detail, sizeof detail, "loss %.3f, %.0f tokens/s", loss,
                static_cast<double>(result_.tokens_here) / std::max(1e-9, result_.seconds_here));
  job_.progress.update({"pretrain", result_.steps, config_.train.steps, detail});
}

double Pretrainer::add_objective(std::size_t pool, std::vector<std::vector<EncodedExample>> batches,
                                 std::uint64_t seed) {
  StepTotals totals{0, static_cast<std::int64_t>(batches.size())};
  totals.weight = job_.pools[pool].share;
  for (const auto& batch : batches)
    for (const EncodedExample& example : batch) count(example, plan_, nullptr, totals);
  double loss = 0;
  for (std::size_t m = 0; m < batches.size(); ++m) {
    const std::uint64_t own = batches.size() == 1 ? seed : stream_seed(seed, "micro", m);
    loss += add_gradients(config_.train, *backbone_, plan_, batch_of(batches[m]), totals, own, nullptr);
  }
  return loss;
}

void Pretrainer::evaluate() {
  nlohmann::json losses = nlohmann::json::object();
  result_.held_out.clear();
  for (const ExamplePool& pool : job_.pools) {
    if (pool.held_out.empty()) continue;
    const double loss = held_out_loss(pool);
    losses[pool.objective] = loss;
    result_.held_out[pool.objective] = loss;
  }
  job_.log.append({{"event", "evaluation"}, {"step", result_.steps}, {"tokens", result_.tokens}, {"held_out", losses}});
}

// Mean over the target tokens, in packed batches.
double Pretrainer::held_out_loss(const ExamplePool& pool) const {
  const std::vector<EncodedExample>& examples = pool.held_out;
  const at::NoGradGuard no_gradient;
  backbone_->refresh(plan_);
  const RunContext context = RunContext::inference();
  double sum = 0;
  std::int64_t tokens = 0;
  for (std::size_t first = 0; first < examples.size();) {
    std::vector<EncodedExample> batch;
    std::int64_t room = config_.tokens;
    const auto start = static_cast<std::int64_t>(first);
    for (; first < examples.size(); ++first) {
      room -= static_cast<std::int64_t>(examples[first].input.size());
      if (room < 0 && !batch.empty()) break;
      batch.push_back(examples[first]);
    }
    const ExampleBatch inputs = batch_of(batch);
    std::vector<std::vector<std::int64_t>> targets;
    for (const EncodedExample& example : batch) {
      targets.push_back(example.target);
      tokens += static_cast<std::int64_t>(example.target.size());
    }
    try {
      const EncoderState encoder = encode_batch(*backbone_, inputs, plan_, context, nullptr);
      sum -= score_targets(*backbone_, encoder, targets, plan_, context).sum().item<double>();
    } catch (const NotFiniteError& error) {
      const std::string example = "held-out example " + std::to_string(start + error.place()) + " of " + pool.objective;
      refuse_evaluation("pre-training", result_.steps, error.of(example));
    }
  }
  return sum / static_cast<double>(tokens);
}

// Copies: training goes on in place.
TensorMap Pretrainer::weights() const {
  TensorMap result = model_weights(plan_.training());
  for (auto& [name, tensor] : result) tensor = tensor.clone();
  return result;
}

void Pretrainer::keep(const std::string& name) const {
  require_finite_parameters("pre-training", result_.steps, *backbone_, plan_);
  if (job_.keep) job_.keep(name, result_, weights());
}

void Pretrainer::save() const {
  TrainState state;
  state.step = result_.steps;
  state.parameters = plan_.training();
  if (!done_) {
    require_finite_parameters("pre-training", state.step, *backbone_, plan_);  // the checkpoint before it is better
    state.optimizer = optimizer_->state();
  }
  const LogPosition logged = job_.log.flush();
  state.progress = {
      {"done", done_},       {"cursors", cursors_},        {"tokens", result_.tokens}, {"held_out", result_.held_out},
      {"log", logged.bytes}, {"log_sha256", logged.sha256}};
  job_.checkpoints.save(state);
}

void Pretrainer::resume(const TrainState& state) try {
  if (!state.warning.empty()) job_.progress.note("warning: " + state.warning);
  const nlohmann::json& progress = state.progress;
  plan_.load_training(state.parameters);
  done_ = progress.at("done");
  result_.steps = state.step;
  result_.tokens = progress.at("tokens");
  result_.held_out = progress.at("held_out").get<std::map<std::string, double>>();
  cursors_ = progress.at("cursors").get<std::vector<std::int64_t>>();
  const std::string lost = job_.log.go_back_to({progress.at("log"), progress.value("log_sha256", "")});
  if (!lost.empty()) job_.progress.note("warning: " + lost);
  if (!done_) optimizer_->load(state.optimizer, state.step);
} catch (const nlohmann::json::exception& fault) {
  throw CheckpointError({"the checkpoint of this run was written by another version", fault.what(),
                         "all fields that this version needs to continue", "train again with --again"});
}

}  // namespace

TensorMap model_weights(const TensorMap& parameters) {
  TensorMap result;
  for (const auto& [name, tensor] : parameters)
    result.emplace(name.substr(0, name.size() - trained_suffix.size()), tensor);
  return result;
}

PretrainResult pretrain(PretrainJob job) { return Pretrainer(std::move(job)).run(); }

}  // namespace peftbench
