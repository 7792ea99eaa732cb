#include "pretrain/pretrainer.h"

#include "backbone/finite.h"
#include "core/random.h"
#include "eval/likelihood.h"
#include "train/divergence.h"
#include "train/loop.h"
#include "train/loss.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace peftbench::pretrain {
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

class Pretrainer final : public LoopJob {
 public:
  explicit Pretrainer(PretrainJob job);
  PretrainResult run();

 private:
  void draw(const LoopState& at) override;
  double add_gradients(const LoopState& at) override;
  void describe(nlohmann::json& step_event) const override;
  void after_step(const LoopState& at, const LoopStep& step) override;
  std::optional<Validation> validate(const LoopState& at) override;
  void after_validation(const LoopState& at) override;
  void finish(const LoopState& at) override;
  void store(const LoopState& at, TrainState& state) const override;
  void restore(const TrainState& state) override;

  using Batches = std::vector<std::vector<EncodedExample>>;  // one a forward pass
  double add_objective(const ExamplePool& pool, const Batches& batches, std::uint64_t seed);
  double held_out_loss(const ExamplePool& pool) const;
  void keep(const std::string& name) const;
  TensorMap weights() const;

  PretrainJob job_;
  const PretrainConfig& config_;
  std::shared_ptr<const Backbone> backbone_;
  CompiledPlan plan_;
  std::vector<std::int64_t> cursors_;  // of the pools
  std::vector<Batches> drawn_;         // of the pools, in a step
  nlohmann::json losses_;              // of the step, by objective
  PretrainResult result_;
  bool had_ended_ = false;  // before this process
};

Pretrainer::Pretrainer(PretrainJob job)
    : job_(std::move(job)),
      config_(job_.config),
      backbone_(Backbone::from_tensors(
          job_.spec, job_.start,
          {config_.compute, Quantization::none, config_.device, resolve(BackendChoice::automatic, config_.device)})),
      plan_(plan_of_everything(backbone_->spec())),
      cursors_(job_.pools.size(), 0) {
  plan_.place_on(config_.device);
  // From the fp32 values themselves, not from the backbone's rounded ones; cloned, since those may lie in a mapped
  // file.
  TensorMap first;
  for (const auto& [name, tensor] : job_.start)
    first.emplace(name + std::string(trained_suffix), tensor.to(at::kFloat).clone());
  plan_.load_training(first);
  job_.start.clear();
}

PretrainResult Pretrainer::run() {
  LoopSetup setup{config_.train, *backbone_, plan_, "pre-training", "train again with --again"};
  setup.evaluate_at_start = true;
  setup.checkpoints = &job_.checkpoints;
  setup.log = &job_.log;
  setup.stop = job_.stop;
  setup.warn = [this](const std::string& text) { job_.progress.note("warning: " + text); };
  result_.interrupted = TrainLoop(std::move(setup), *this).run().interrupted;
  if (had_ended_ && job_.keep_again) keep(config_.name);
  return std::move(result_);
}

void Pretrainer::draw(const LoopState&) {
  for (std::size_t p = 0; p < job_.pools.size(); ++p) {
    const ExamplePool& pool = job_.pools[p];
    const auto budget = static_cast<std::int64_t>(pool.share * static_cast<double>(config_.tokens));
    Batches& batches = drawn_.emplace_back();
    for (std::int64_t m = 0; m < config_.train.gradient_accumulation; ++m) {
      batches.push_back(draw_packed(pool, budget, cursors_[p]));
      const std::int64_t tokens = tokens_of(batches.back());
      result_.tokens += tokens;
      result_.tokens_here += tokens;
    }
  }
}

double Pretrainer::add_gradients(const LoopState& at) {
  double loss = 0;
  losses_ = nlohmann::json();
  for (std::size_t p = 0; p < job_.pools.size(); ++p) {
    const ExamplePool& pool = job_.pools[p];
    const auto seed = stream_seed(static_cast<std::uint64_t>(config_.train.seed), "dropout/" + pool.objective,
                                  static_cast<std::uint64_t>(at.steps));
    const double part = add_objective(pool, drawn_[p], seed);
    losses_[pool.objective] = part / pool.share;
    loss += part;
  }
  return loss;
}

double Pretrainer::add_objective(const ExamplePool& pool, const Batches& batches, std::uint64_t seed) {
  StepTotals totals{0, static_cast<std::int64_t>(batches.size())};
  totals.weight = pool.share;
  for (const auto& batch : batches)
    for (const EncodedExample& example : batch) count(example, plan_, nullptr, totals);
  double loss = 0;
  for (std::size_t m = 0; m < batches.size(); ++m) {
    const std::uint64_t own = batches.size() == 1 ? seed : stream_seed(seed, "micro", m);
    loss += train::add_gradients(config_.train, *backbone_, plan_, batch_of(batches[m]), totals, own, nullptr);
  }
  return loss;
}

void Pretrainer::describe(nlohmann::json& step_event) const {
  step_event["losses"] = losses_;
  step_event["tokens"] = result_.tokens;
}

void Pretrainer::after_step(const LoopState& at, const LoopStep& step) {
  drawn_.clear();
  result_.steps = at.steps;
  result_.seconds_here = at.step_seconds;
  char detail[64];
  std::snprintf(detail, sizeof detail, "loss %.3f, %.0f tokens/s", step.loss,
                static_cast<double>(result_.tokens_here) / std::max(1e-9, result_.seconds_here));
  job_.progress.update({"pretrain", at.steps, config_.train.steps, detail});
}

std::optional<Validation> Pretrainer::validate(const LoopState& at) {
  nlohmann::json losses = nlohmann::json::object();
  result_.held_out.clear();
  for (const ExamplePool& pool : job_.pools) {
    if (pool.held_out.empty()) continue;
    const double loss = held_out_loss(pool);
    losses[pool.objective] = loss;
    result_.held_out[pool.objective] = loss;
  }
  Validation validation;
  validation.event = {{"step", at.steps}, {"tokens", result_.tokens}, {"held_out", losses}};
  return validation;
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
      throw error.of(example);
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

void Pretrainer::after_validation(const LoopState& at) {
  for (const Snapshot& snapshot : config_.snapshots)
    if (snapshot.step == at.steps) keep(snapshot.name);
}

void Pretrainer::finish(const LoopState&) { keep(config_.name); }

void Pretrainer::store(const LoopState&, TrainState& state) const {
  state.progress["cursors"] = cursors_;
  state.progress["tokens"] = result_.tokens;
  state.progress["held_out"] = result_.held_out;
}

void Pretrainer::restore(const TrainState& state) {
  const nlohmann::json& progress = state.progress;
  had_ended_ = progress.at("done");
  result_.steps = state.step;
  result_.tokens = progress.at("tokens");
  result_.held_out = progress.at("held_out").get<std::map<std::string, double>>();
  cursors_ = progress.at("cursors").get<std::vector<std::int64_t>>();
}

}  // namespace

TensorMap model_weights(const TensorMap& parameters) {
  TensorMap result;
  for (const auto& [name, tensor] : parameters)
    result.emplace(name.substr(0, name.size() - trained_suffix.size()), tensor);
  return result;
}

PretrainResult pretrain(PretrainJob job) { return Pretrainer(std::move(job)).run(); }

}  // namespace peftbench::pretrain
