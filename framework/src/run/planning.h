#pragma once

#include "data/prepared/encode.h"
#include "ledger/ledger.h"
#include "plugin/loader.h"
#include "run/layer.h"
#include "run/scoring.h"
#include "run/workbench.h"
#include "train/config.h"

#include <vector>

namespace peftbench::run {

// Examples of the task, for what follows from lengths.
struct PlanSample {
  const std::vector<EncodedExample>& encoded;  // operations are counted over the first batch
  LedgerExample text;                          // a layout hook is run on it
  std::int64_t examples = 0;                   // that are trained on, and before them evaluated
  std::int64_t evaluated = 0;
};

// The ledger before anything runs: from sizes alone, optimizer state included. What needs a sample is left out
// without one.
Ledger plan_ledger(const LoadedPlugin& plugin, const Values& values, const BackboneSpec& spec, const TaskShape& task,
                   const TrainConfig& train, const PlanSample* sample = nullptr);

// Of a run whose data is open; `train_examples` are in the layout of its plan.
Ledger ledger_of(const Workbench& bench, const Scoring& scoring, const ExampleList& train_examples);

}  // namespace peftbench::run
