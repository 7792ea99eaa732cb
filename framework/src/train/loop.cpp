#include "train/loop.h"

#include "core/clock.h"
#include "core/first_line.h"
#include "devices/out_of_memory.h"
#include "train/divergence.h"
#include "train/schedule.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>

#include <utility>

namespace peftbench::train {

TrainLoop::TrainLoop(LoopSetup setup, LoopJob& job)
    : setup_(std::move(setup)),
      job_(job),
      parameters_(setup_.plan.trained()),
      optimizer_(make_optimizer(setup_.config, parameters_)),
      at_{.total = parameters_.empty() ? 0 : setup_.config.steps, .best = BestOf(setup_.config.patience)} {}

LoopState TrainLoop::run() {
  begin();
  while (goes_on()) turn();
  if (!at_.done && !at_.interrupted) finish();
  return std::move(at_);
}

bool TrainLoop::goes_on() const {
  return !at_.done && !at_.interrupted && !at_.best.stopped_early() && at_.steps < at_.total;
}

void TrainLoop::begin() {
  if (const auto state = setup_.checkpoints ? setup_.checkpoints->load() : std::nullopt) return resume(*state);
  if (setup_.log) setup_.log->go_back_to({});  // of a run that was killed before its first checkpoint
  if (setup_.evaluate_at_start) validate();
}

void TrainLoop::turn() {
  const LoopStep done = step();
  job_.after_step(at_, done);
  if (is_last() || is_due(setup_.config.evaluate_every)) validate();
  job_.after_validation(at_);
  if (at_.best.stopped_early()) return;
  ask_to_stop();
  checkpoint();
  if (!at_.interrupted) job_.after_checkpoint(at_, done);
}

LoopStep TrainLoop::step() {
  const Stopwatch clock;
  LoopStep step;
  draw();
  gradients(step);
  reduce(step);
  job_.watch(at_, step.gradients);
  clip(step);
  update(step);
  hooks();
  at_.step_seconds += clock.wall_seconds();
  log(step);
  return step;
}

void TrainLoop::draw() { job_.draw(at_); }

void TrainLoop::gradients(LoopStep& step) {
  for (const auto& slot : parameters_) slot->value.mutable_grad() = Tensor();
  try {
    step.loss = job_.add_gradients(at_);
  } catch (const NotFiniteError& error) {
    refuse_evaluation(setup_.run, at_.steps, error);
  } catch (const OutOfMemoryError&) {
    keep_steps();
    throw;
  }
  for (const auto& slot : parameters_) {
    step.gradients.push_back(slot->value.grad());
    slot->value.mutable_grad() = Tensor();
  }
}

// The seam for several processes: here, once an update, they will sum their gradients and losses, before anything looks
// at either. A plain sum is right, since the job divides by counts of the whole step (StepTotals), which each process
// can count from the draw. With one process the step stays as it is.
void TrainLoop::reduce(LoopStep& step) const {
  if (setup_.reduce) setup_.reduce(step);
}

void TrainLoop::clip(LoopStep& step) const {
  step.gradient_norm = clip_gradients(step.gradients, setup_.config.clip_norm);
  require_finite_step(setup_.run, at_.steps + 1, step.loss, step.gradient_norm, setup_.backbone, setup_.plan);
}

void TrainLoop::update(LoopStep& step) {
  step.learning_rate = learning_rate_at(setup_.config, at_.steps);
  optimizer_->step(step.gradients, step.learning_rate);
  step.gradients.clear();  // their memory, before an evaluation
  ++at_.steps;
}

void TrainLoop::hooks() const {
  for (const auto& group : setup_.plan.groups()) {
    if (!group->step) continue;
    at::NoGradGuard no_grad;
    group->step->step_end({at_.steps, at_.total});
  }
}

void TrainLoop::log(const LoopStep& step) const {
  if (!is_due(setup_.config.log_every) && !is_last()) return;
  nlohmann::json event = {{"event", "step"},
                          {"step", at_.steps},
                          {"loss", step.loss},
                          {"learning_rate", step.learning_rate},
                          {"gradient_norm", step.gradient_norm}};
  job_.describe(event);
  append(event);
}

void TrainLoop::validate() {
  if (at_.steps > 0) require_finite_parameters(setup_.run, at_.steps, setup_.backbone, setup_.plan);
  std::optional<Validation> validation;
  try {
    validation = job_.validate(at_);
  } catch (const NotFiniteError& error) {
    refuse_evaluation(setup_.run, at_.steps, error);
  }
  if (!validation) return;
  validation->event["event"] = "evaluation";
  append(validation->event);
  if (validation->point) at_.best.consider(std::move(*validation->point), setup_.plan);
}

void TrainLoop::ask_to_stop() { at_.interrupted = !is_last() && setup_.stop && setup_.stop(); }

void TrainLoop::checkpoint() const {
  if (is_last() || !setup_.checkpoints) return;  // the last step's is written when the run is done
  if (is_due(setup_.config.checkpoint_every) || at_.interrupted) save();
}

void TrainLoop::finish() {
  at_.best.choose(setup_.plan, at_.steps);
  job_.finish(at_);
  at_.done = true;
  if (setup_.checkpoints) save();
}

void TrainLoop::save() const {
  TrainState state;
  state.step = at_.steps;
  state.parameters = setup_.plan.training();
  if (!at_.done) {
    // The checkpoint before it is better.
    require_finite_parameters(setup_.run, at_.steps, setup_.backbone, setup_.plan);
    state.optimizer = optimizer_->state();
    state.best = at_.best.parameters();
  }
  job_.store(at_, state);
  if (setup_.chooses_best) at_.best.store(state.progress);
  const LogPosition logged = setup_.log ? setup_.log->flush() : LogPosition();
  state.progress["done"] = at_.done;
  state.progress["log"] = logged.bytes;
  state.progress["log_sha256"] = logged.sha256;
  setup_.checkpoints->save(state);
}

// The steps before one that failed are whole. What failed first is what is told.
void TrainLoop::keep_steps() const {
  if (at_.steps == 0 || !setup_.checkpoints) return;
  try {
    save();
  } catch (const std::exception& error) {
    warn("step " + std::to_string(at_.steps) + " could not be saved: " + first_line(error.what()));
  }
}

void TrainLoop::resume(const TrainState& state) try {
  warn(state.warning);
  const nlohmann::json& progress = state.progress;
  setup_.plan.load_training(state.parameters);
  at_.done = progress.at("done");
  at_.steps = at_.resumed_at = state.step;
  if (setup_.chooses_best) at_.best.restore(progress);
  job_.restore(state);
  if (setup_.log) warn(setup_.log->go_back_to({progress.at("log"), progress.value("log_sha256", "")}));
  if (at_.done) return;
  at_.best.restore_parameters(state.best);
  optimizer_->load(state.optimizer, state.step);
} catch (const nlohmann::json::exception& fault) {
  throw CheckpointError({"the checkpoint of this run was written by another version", fault.what(),
                         "all fields that this version needs to continue", setup_.anew});
}

void TrainLoop::append(const nlohmann::json& event) const {
  if (setup_.log) setup_.log->append(event);
}

void TrainLoop::warn(const std::string& text) const {
  if (setup_.warn && !text.empty()) setup_.warn(text);
}

}  // namespace peftbench::train
