#pragma once

#include "eval/metrics.h"
#include "plan/compiled_plan.h"
#include "train/layer.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <vector>

namespace peftbench::train {

// One evaluation on the validation split.
struct EvaluationPoint {
  std::int64_t step = 0;  // steps done before it
  double loss = 0;
  double illegal_rate = 0;
  std::vector<MetricValue> metrics;  // the first selects the best; of equal ones the lower loss, then the earlier step
};

nlohmann::json to_json(const EvaluationPoint& point);

// All evaluations of a run, in order, and the parameters at the best of them.
class BestOf {
 public:
  // Training stops after `patience` evaluations in a row without a better one; 0: never.
  explicit BestOf(std::int64_t patience) : patience_(patience) {}

  // Keeps copies of the plan's parameters if the point is the best so far. That of step 0 is for comparison only: an
  // untrained method is no candidate. Nor is a score or a loss that is not finite.
  void consider(EvaluationPoint point, const CompiledPlan& plan);
  // Puts the best parameters into the plan; without an evaluation, those after `steps` steps are kept. Throws Error if
  // no evaluation gave a finite score and loss.
  void choose(CompiledPlan& plan, std::int64_t steps);

  const std::vector<EvaluationPoint>& evaluations() const { return evaluations_; }
  std::int64_t step() const { return step_; }  // of the best
  bool stopped_early() const { return stopped_early_; }

  // What a checkpoint holds: its progress, and its tensors under `best`.
  void store(nlohmann::json& progress) const;
  void restore(const nlohmann::json& progress);  // throws nlohmann::json::exception
  const TensorMap& parameters() const { return parameters_; }
  void restore_parameters(const TensorMap& parameters) { parameters_ = parameters; }

 private:
  std::int64_t patience_;
  std::vector<EvaluationPoint> evaluations_;
  TensorMap parameters_;  // CompiledPlan::training(); empty before the first candidate
  std::int64_t step_ = 0;
  double score_ = 0, loss_ = 0;
  std::int64_t evaluations_since_ = 0;
  bool stopped_early_ = false;
};

}  // namespace peftbench::train
