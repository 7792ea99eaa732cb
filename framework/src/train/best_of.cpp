#include "train/best_of.h"

#include <peftbench/error.h>

#include <cmath>
#include <string>
#include <utility>

namespace peftbench::train {
namespace {

EvaluationPoint point_from(const nlohmann::json& json) {
  EvaluationPoint point{json.at("step"), json.at("loss"), json.at("illegal_rate"), {}};
  for (const auto& m : json.at("metrics"))
    point.metrics.push_back({m.at("name"), m.at("value"), m.at("n"), m.at("low"), m.at("high")});
  return point;
}

}  // namespace

nlohmann::json to_json(const EvaluationPoint& point) {
  auto metrics = nlohmann::json::array();
  for (const auto& m : point.metrics) {
    metrics.push_back({{"name", m.name}, {"value", m.value}, {"n", m.n}, {"low", m.low}, {"high", m.high}});
  }
  return {{"step", point.step}, {"loss", point.loss}, {"illegal_rate", point.illegal_rate}, {"metrics", metrics}};
}

void BestOf::consider(EvaluationPoint point, const CompiledPlan& plan) {
  // Equal scores are common on small splits and weak backbones; the loss tells them apart.
  const double score = point.metrics.empty() ? 0 : point.metrics.front().value, loss = point.loss;
  const std::int64_t step = point.step;
  evaluations_.push_back(std::move(point));
  if (step == 0) return;
  const bool candidate = std::isfinite(score) && std::isfinite(loss);
  if (candidate && (parameters_.empty() || score > score_ || (score == score_ && loss < loss_))) {
    score_ = score;
    loss_ = loss;
    step_ = step;
    parameters_.clear();
    for (const auto& [name, tensor] : plan.training()) parameters_.emplace(name, tensor.clone());
    evaluations_since_ = 0;
  } else if (++evaluations_since_ == patience_) {
    stopped_early_ = true;
  }
}

void BestOf::choose(CompiledPlan& plan, std::int64_t steps) {
  if (!parameters_.empty()) return plan.load_training(parameters_);
  if (!evaluations_.empty() && evaluations_.back().step > 0) {
    throw Error({"no evaluation has a finite score and loss, so no checkpoint can be selected",
                 std::to_string(evaluations_.size()) + " evaluations, the last after step " +
                     std::to_string(evaluations_.back().step),
                 "finite numbers", "check the validation split and the method's settings"});
  }
  step_ = steps;
}

void BestOf::store(nlohmann::json& progress) const {
  auto evaluations = nlohmann::json::array();
  for (const auto& point : evaluations_) evaluations.push_back(to_json(point));
  progress["best_step"] = step_;
  progress["best_score"] = score_;
  progress["best_loss"] = loss_;
  progress["evaluations"] = std::move(evaluations);
  progress["evaluations_since_best"] = evaluations_since_;
  progress["stopped_early"] = stopped_early_;
}

void BestOf::restore(const nlohmann::json& progress) {
  step_ = progress.at("best_step");
  score_ = progress.at("best_score");
  loss_ = progress.at("best_loss");
  for (const auto& point : progress.at("evaluations")) evaluations_.push_back(point_from(point));
  evaluations_since_ = progress.at("evaluations_since_best");
  stopped_early_ = progress.at("stopped_early");
}

}  // namespace peftbench::train
