#pragma once

#include "core/progress.h"
#include "pretrain/config.h"
#include "pretrain/example_pool.h"
#include "pretrain/layer.h"
#include "text/tokenizer.h"
#include "train/checkpoint.h"
#include "train/event_log.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace peftbench::pretrain {

struct PretrainResult {
  std::int64_t steps = 0;
  bool interrupted = false;
  std::int64_t tokens = 0;                 // of inputs and targets, all processes together
  std::int64_t tokens_here = 0;            // of this process
  double seconds_here = 0;                 // of its steps, wall
  std::map<std::string, double> held_out;  // loss by objective at the last evaluation, nats a target token
};

// The model's tensors, under its own names, of what a checkpoint calls `parameters`; they share its memory.
TensorMap model_weights(const TensorMap& parameters);

struct PretrainJob {
  const PretrainConfig& config;
  BackboneSpec spec;
  TensorMap start;  // fp32, by the tensors' names
  std::vector<ExamplePool> pools;
  CheckpointStore& checkpoints;
  EventLog& log;
  ProgressSink& progress;
  std::function<bool()> stop;  // asked after each step; true: keep a checkpoint and return
  // Called after the step of a snapshot, with its name, and after the last step, with the model's own.
  std::function<void(const std::string& name, const PretrainResult& here, const TensorMap& weights)> keep;
  bool keep_again = false;  // the model of a run that had ended: its folder is gone, or is to be another
};

// Trains all weights, or goes on from the checkpoint that is there: to the same bits, however often it was stopped.
// Each objective's loss is the mean over its own target tokens; a step's loss is their mean by share. Throws Error
// where the loss is not a number.
PretrainResult pretrain(PretrainJob job);

}  // namespace peftbench::pretrain
