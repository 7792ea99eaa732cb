#pragma once

#include "config/paths.h"
#include "core/progress.h"
#include "pretrain/layer.h"
#include "pretrain/pretrainer.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::pretrain {

struct PretrainRequest {
  Paths paths;
  PretrainConfig config;
  fs::path out;        // holds the checkpoint, the log, and a folder for each model
  bool fresh = false;  // throw away what an earlier process left
  std::function<bool()> stop;
};

struct PretrainOutcome {
  PretrainResult result;
  fs::path model;  // the folder of the last model
  bool was_finished = false;
};

// That model, vocabulary and tasks are there and fit each other, without reading text or weights. Throws ConfigError.
// What comes back is not there yet: recipes of tools/fetch-data (a text may also be the user's), and tasks whose data
// the user brings.
struct MissingSources {
  std::vector<std::string> recipes, brought;
};
MissingSources missing_sources(const PretrainRequest& request);

// Prepares text and tasks, then trains. Throws ConfigError, DataError, Interrupted (then the same call goes on).
PretrainOutcome pretrain_in(const PretrainRequest& request, ProgressSink& progress);

struct ShownExample {
  std::string objective;
  EncodedExample example;
  std::string text;
};
// The first examples of each objective, in the order that training draws them.
std::vector<ShownExample> first_examples(const PretrainRequest& request, std::int64_t count, ProgressSink& progress);

}  // namespace peftbench::pretrain
