#pragma once

#include "backbone/backbone.h"
#include "core/files.h"
#include "data/task/task_mixture.h"
#include "pretrain/layer.h"
#include "train/config.h"

#include <peftbench/spec.h>

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::pretrain {

// A text source and how often an epoch goes through it.
struct TextShare {
  std::string name;  // of a folder under <data>/text, or the path of a text (documents.h)
  double weight = 1;
};

// Part of each step that an objective has, in input tokens and in the loss; they are made to sum to 1.
struct ObjectiveShares {
  double span_corruption = 0, prefix_lm = 0, tasks = 0;
};

// A model written out on the way, after so many steps.
struct Snapshot {
  std::string name;
  std::int64_t step = 0;
};

// A file of configs/pretrain (docs/pretraining.md).
struct PretrainConfig {
  std::string name;  // the file's, without its ending; also that of the model
  fs::path file;
  std::string command;  // that trains it, for the card; empty: not known
  std::string summary;
  std::string from;        // a backbone to go on from; empty: random weights of these sizes
  std::string from_place;  // file:line
  std::string from_note;   // what that one had learnt from, for the card
  BackboneSpec sizes;      // without `from`
  std::string vocabulary;  // a spiece.model, beside the file; empty: that of `from`
  std::vector<TextShare> text;
  ObjectiveShares shares;
  double noise_density = 0.15, mean_span = 3;  // of span corruption
  TaskMixture mixture;                         // names in configs/pretrain/tasks or configs/tasks, or files
  std::int64_t input_tokens = 512;             // longest input, EOS counted
  std::int64_t tokens = 8192;                  // input tokens of one forward pass, packed without padding
  double held_out = 0.01;                      // part of the documents
  std::int64_t held_out_examples = 128;        // of each objective, for the loss at every evaluation
  std::vector<Snapshot> snapshots;             // by step; the last model is not among them
  Precision compute = Precision::float32, stored = Precision::bfloat16;
  TrainConfig train;
  c10::Device device = c10::kCPU;  // as threads: another process may go on on another
};

// `steps`: in place of the file's; snapshots at parts of the steps are parts of these. Throws ConfigError naming file,
// line and remedy.
PretrainConfig read_pretrain_config(const fs::path& file, std::optional<std::int64_t> steps = {});

// All that decides the weights, for the hash that a checkpoint carries.
nlohmann::json to_json(const PretrainConfig& config);

}  // namespace peftbench::pretrain
