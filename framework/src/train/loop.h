#pragma once

#include "backbone/backbone.h"
#include "train/best_of.h"
#include "train/checkpoint.h"
#include "train/config.h"
#include "train/event_log.h"
#include "train/layer.h"
#include "train/optimizer.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::train {

// Where a run stands.
struct LoopState {
  std::int64_t steps = 0;       // done
  std::int64_t total = 0;       // asked for
  std::int64_t resumed_at = 0;  // step of the checkpoint that this process went on from
  bool done = false;
  bool interrupted = false;  // LoopSetup::stop said so: the checkpoint holds the step, the plan is not final
  double step_seconds = 0;   // of this process, wall, without evaluations, checkpoints and the log
  BestOf best;
};

// One step, filled by its phases in turn.
struct LoopStep {
  std::vector<Tensor> gradients;  // of all trained parameters, in the plan's order; undefined: none; until the update
  double loss = 0;
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
};

// What one evaluation gives.
struct Validation {
  nlohmann::json event;                  // for the log, without "event"
  std::optional<EvaluationPoint> point;  // from which the best is chosen; nothing: the last step is kept
};

// What differs between the things that are trained. The calls stand in the order in which a step makes them.
class LoopJob {
 public:
  virtual ~LoopJob() = default;

  // Chooses the examples of the next step, from its number and from what restore gave.
  virtual void draw(const LoopState& at) = 0;
  // Adds the gradients of what was drawn to those of the parameters and gives the step's loss. May throw
  // NotFiniteError, and OutOfMemoryError with its own counters as they were before the draw.
  virtual double add_gradients(const LoopState& at) = 0;
  // Of all trained parameters: reduced, not yet clipped.
  virtual void watch(const LoopState&, const std::vector<Tensor>& /*gradients*/) {}
  virtual void describe(nlohmann::json& step_event) const = 0;  // adds its own keys, where a line of the log is due
  virtual void after_step(const LoopState&, const LoopStep&) {}
  // Of the steps at which one is due. Nothing: there is nothing to evaluate on. May throw NotFiniteError.
  virtual std::optional<Validation> validate(const LoopState& at) = 0;
  virtual void after_validation(const LoopState&) {}  // and after the steps at which none is due
  // After each step, but not after one at which the run stopped early or was interrupted.
  virtual void after_checkpoint(const LoopState&, const LoopStep&) {}
  virtual void finish(const LoopState&) {}  // the plan holds what is kept

  // Adds its own keys to the checkpoint's progress; where the run is not done, its tensors.
  virtual void store(const LoopState& at, TrainState& state) const = 0;
  virtual void restore(const TrainState& state) = 0;  // throws nlohmann::json::exception
};

// What a loop works on. The references outlive it.
struct LoopSetup {
  const TrainConfig& config;
  const Backbone& backbone;
  CompiledPlan& plan;
  std::string run;   // "training" or "pre-training", for messages
  std::string anew;  // what to do where the checkpoint is another version's
  bool evaluate_at_start = false;
  bool chooses_best = false;               // a checkpoint holds LoopState::best
  CheckpointStore* checkpoints = nullptr;  // null: not resumable
  EventLog* log = nullptr;
  std::function<bool()> stop = {};                    // asked after each step but the last
  std::function<void(const std::string&)> warn = {};  // of a checkpoint or log that is not whole
  std::function<void(LoopStep&)> reduce = {};         // see TrainLoop::reduce; null: one process
};

// The one loop of training: draw → gradients → reduce → clip → update → hooks → log → checkpoint. A run that was
// stopped between any two steps goes on to the same bytes.
class TrainLoop {
 public:
  TrainLoop(LoopSetup setup, LoopJob& job);
  // Trains, or goes on from the checkpoint that is there. Throws Error where numbers are not finite, CheckpointError.
  LoopState run();

 private:
  void begin();
  void turn();
  LoopStep step();
  void draw();
  void gradients(LoopStep& step);
  void reduce(LoopStep& step) const;
  void clip(LoopStep& step) const;
  void update(LoopStep& step);
  void hooks() const;
  void log(const LoopStep& step) const;
  void validate();
  void ask_to_stop();
  void checkpoint() const;
  void finish();

  bool goes_on() const;
  bool is_last() const { return at_.steps == at_.total; }
  bool is_due(std::int64_t every) const { return every > 0 && at_.steps % every == 0; }
  void append(const nlohmann::json& event) const;
  void warn(const std::string& text) const;
  void save() const;
  void keep_steps() const;
  void resume(const TrainState& state);

  LoopSetup setup_;
  LoopJob& job_;
  ParameterSlots parameters_;
  std::unique_ptr<Optimizer> optimizer_;
  LoopState at_;
};

}  // namespace peftbench::train
