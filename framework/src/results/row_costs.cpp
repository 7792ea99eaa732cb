#include "results/row_costs.h"

#include "core/names.h"
#include "results/row_facts.h"

#include <algorithm>
#include <cstdint>

namespace peftbench::results {
namespace {

// Whether the step that is scored was chosen among several by their scores on the validation split.
bool chose_on_validation(const RunRecord& record) {
  const auto& training = record.training;
  if (training.steps == 0 || training.loss_split != "validation") return false;
  const Json::json_pointer place("/train/evaluate_every");
  if (!record.config.contains(place) || !record.config.at(place).is_number_integer()) return true;
  const auto every = record.config.at(place).get<std::int64_t>();
  return every > 0 && every < training.steps;  // else only the last step is evaluated
}

// "" where nothing was trained.
std::string chosen_by(const RunRecord& record) {
  if (record.training.steps == 0) return "";
  if (!chose_on_validation(record)) return "last step";
  const std::string& metric = record.training.validation_metric;
  return (!metric.empty() ? metric : record.score() ? record.score()->name : "score") + " on validation";
}

bool scores_what_chose(const RunRecord& record) {
  if (!chose_on_validation(record)) return false;
  const auto on_validation = [](const std::vector<MetricRecord>& metrics) {
    return !metrics.empty() && metrics.front().split == "validation";
  };
  return on_validation(record.metrics) || std::any_of(record.tasks.begin(), record.tasks.end(), [&](const auto& task) {
           return task.trained && on_validation(task.metrics);
         });
}

std::string text_of(const ForgettingRecord& forgetting) {
  std::string text = forgetting.task.empty() ? forgetting.text : "inputs of " + forgetting.task;
  return text + ", " + with_thousands(forgetting.tokens) + " tokens";
}

}  // namespace

void add_costs(ComparisonRow& row, const std::vector<const RunRecord*>& finished) {
  std::vector<double> seconds, step_flops, prediction_flops, training_joules, evaluation_joules, validation, forgetting;
  std::vector<std::string> chosen;
  Once chosen_once(chosen), warnings(row.warnings), forgetting_on(row.forgetting_on);
  for (const RunRecord* record : finished) {
    row.steps = widened(row.steps, record->training.steps);
    for (const PhaseCost& phase : record->phases) {
      if (phase.name == "train") seconds.push_back(phase.wall_seconds);
      if (!phase.energy_joules) continue;
      if (phase.name == "train") training_joules.push_back(*phase.energy_joules);
      if (phase.name == "evaluate") evaluation_joules.push_back(*phase.energy_joules);
    }
    if (const auto flops = record->ledger.find("flops"); flops != record->ledger.end() && flops->is_object()) {
      const auto add = [&](const char* key, std::vector<double>& to) {
        if (const auto value = flops->find(key); value != flops->end() && value->is_number())
          to.push_back(value->get<double>());
      };
      add("training_step", step_flops);
      add("prediction", prediction_flops);
    }
    if (record->training.validation_score) validation.push_back(*record->training.validation_score);
    if (const std::string by = chosen_by(*record); !by.empty()) chosen_once.add(by);
    if (scores_what_chose(*record)) warnings.add(chosen_on_scored);
    if (const auto& lost = record->forgetting; lost && lost->loss_with_method) {
      forgetting.push_back(*lost->loss_with_method - lost->loss_frozen);
      forgetting_on.add(text_of(*lost));
    }
  }
  if (!seconds.empty()) row.training_seconds = median(seconds);
  row.training_step_flops = mean_if_any(step_flops);
  row.prediction_flops = mean_if_any(prediction_flops);
  row.training_joules = mean_if_any(training_joules);
  row.evaluation_joules = mean_if_any(evaluation_joules);
  row.validation = summarise(validation);
  row.chosen_by = join(chosen, " or ");
  row.forgetting = mean_if_any(forgetting);
}

}  // namespace peftbench::results
