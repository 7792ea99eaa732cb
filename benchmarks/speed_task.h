#pragma once

// What one measurement is asked to do: the JSON that speed_parts/tasks.py writes, and that peer/training_step.py reads
// too. Sizes, token ids and the parameters of methods stand there alone.
#include "backbone/backbone.h"
#include "core/files.h"
#include "data/prepared/encode.h"
#include "plan/compiled_plan.h"
#include "plugin/schema.h"
#include "support/layers.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace peftbench::speed {

using namespace layers;

struct SpeedTask {
  std::string work;        // training_step, greedy, ranking or products
  std::string method;      // of training_step: a plugin's name
  GivenValues parameters;  // its parameters; the others have their defaults
  BackboneSpec spec;
  LoadOptions load;
  double dropout = 0;
  std::vector<EncodedExample> examples;          // one batch
  std::vector<std::vector<std::int64_t>> words;  // of ranking: label words as ids, without EOS
  std::int64_t rows = 0;                         // of products
};

SpeedTask read_task(const fs::path& file);

// Random weights of the task's sizes. EOS is never the likeliest, so that all sequences of greedy decoding are equally
// long.
std::shared_ptr<const Backbone> random_backbone(const SpeedTask& task);

// The plan of the task's method with its first values; without a method one that claims nothing.
CompiledPlan make_plan(const SpeedTask& task, const Backbone& backbone);

}  // namespace peftbench::speed
