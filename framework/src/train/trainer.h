#pragma once

#include "backbone/backbone.h"
#include "core/progress.h"
#include "data/prepared/encode.h"
#include "eval/encoder_cache.h"
#include "eval/evaluator.h"
#include "train/best_of.h"
#include "train/checkpoint.h"
#include "train/choice_losses.h"
#include "train/config.h"
#include "train/event_log.h"
#include "train/layer.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::train {

struct TrainingResult {
  std::int64_t steps = 0;      // number of steps; fewer than configured if training stopped early
  std::int64_t best_step = 0;  // the plan now holds this step's parameters
  bool stopped_early = false;
  bool interrupted = false;                  // by job.stop: the checkpoint contains the step, the plan is not final
  double first_loss = 0, last_loss = 0;      // training loss of the first and last step
  std::vector<EvaluationPoint> evaluations;  // in order; the first at step 0 if evaluate_at_start
  std::map<std::string, std::int64_t> receiving_gradient;  // by parameter: elements whose gradient was seen not to be 0
  std::int64_t examples = 0, tokens = 0;                   // seen in training; tokens of inputs and targets
  std::int64_t resumed_at = 0;                             // step of the checkpoint that this process went on from
  bool encoder_cache_used = false;
  EncoderCacheCounts encoder_cache;  // of this process, evaluation included
};

// What a trainer works on. The references outlive it.
struct TrainingJob {
  const Backbone& backbone;
  CompiledPlan& plan;  // initialised; contains the best parameters afterwards
  const ExampleList& examples;
  std::vector<std::int64_t> groups = {};  // plan of each example in a stacked plan; empty: all 0
  // Scores the plan on the validation split; null if there is none, then the last step is the best.
  std::function<Evaluation(const CompiledPlan&)> validate = {};
  EncoderCache* encoder_cache = nullptr;   // shared with the evaluator; see uses_encoder_cache
  CheckpointStore* checkpoints = nullptr;  // null: not resumable
  EventLog* log = nullptr;
  ProgressSink* progress = nullptr;
  Choices choices = {};             // for the losses that compare label words; may be empty without them
  std::function<bool()> stop = {};  // called after each step; true: save a checkpoint and return
  // Index of the example at each place of the run, from the place alone; null: epoch by epoch, each in an order of its
  // own.
  std::function<std::size_t(std::int64_t)> draw = {};
  std::function<void(const std::string&)> warn = {};  // of a checkpoint or log that is not whole
};

// Encoder outputs of this plan can be computed once an example: no claim changes them, and no dropout does.
bool uses_encoder_cache(const TrainConfig& config, const CompiledPlan& plan);

// Trains, or continues from an existing checkpoint. Throws Error if the loss is not finite.
TrainingResult train(const TrainConfig& config, const TrainingJob& job);

}  // namespace peftbench::train
