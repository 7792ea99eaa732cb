#pragma once

#include "data/encode.h"
#include "ledger/ledger.h"
#include "plan/compiled_plan.h"
#include "plugin/loader.h"
#include "train/config.h"

#include <vector>

namespace peftbench {

// The method's plan for a backbone of these sizes, without values.
CompiledPlan compile_plan(const LoadedPlugin& plugin, const Values& values, const BackboneSpec& spec,
                          const TaskShape& task);

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

}  // namespace peftbench
