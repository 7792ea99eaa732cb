#include "results/every_eval_ever.h"

#include "core/json.h"
#include "results/scored_tasks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <string_view>
#include <utility>

namespace peftbench::results {
namespace {

constexpr const char* eee_schema = "0.3.0";

// Metrics that can be negative; a mean may be of them. All others are between 0 and 1.
constexpr std::array<std::string_view, 4> correlations = {"matthews", "pearson", "spearman", "mean"};

// Seconds since 1970 of a time as records have it.
std::string epoch_of(const std::string& utc) {
  std::tm parts{};
  if (!::strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts)) return "0";
  return std::to_string(::timegm(&parts));
}

// The format has strings alone there.
void add_detail(Json& details, const std::string& key, const Json& value) {
  if (!value.is_null() && value != "") details[key] = json_text(value);
}

void add_details(Json& details, const std::string& prefix, const Json& object) {
  for (const auto& [key, value] : object.items())
    if (value.is_object())
      add_details(details, prefix + key + ".", value);
    else
      add_detail(details, prefix + key, value);
}

Json model_of(const RunRecord& record) {
  Json details = {{"deployment_type", "self_deployed"}, {"model_availability", "unknown"}};
  add_detail(details, "method", record.method.name);
  add_detail(details, "method_version", record.method.version);
  add_detail(details, "method_reference", record.method.reference);
  add_details(details, "method.", record.method.values);
  add_detail(details, "base_model", record.backbone.name);
  add_detail(details, "base_model_checksum", record.backbone.checksum_before);
  add_detail(details, "base_model_parameters", record.backbone.parameters);
  add_detail(details, "precision", record.backbone.precision);
  add_detail(details, "quantization", record.backbone.quantization);
  add_detail(details, "training_task", record.task.name);
  add_detail(details, "seed", record.seed);
  add_detail(details, "adapter_sha256", record.adapter_hash);
  for (const char* key : {"trained", "stored", "inference", "after_merge", "receiving_gradient", "percent"})
    if (const auto found = record.ledger.find(key); found != record.ledger.end())
      add_detail(details, std::string("parameters_") + key, *found);
  return {{"name", record.method.name + " on " + record.backbone.name},
          {"id", "peft-bench/" + record.id},
          {"inference_engine", {{"name", "peft-bench"}, {"version", record.program.peftbench}}},
          {"additional_details", std::move(details)}};
}

Json source_of(const ScoredTask& task, const MetricRecord& metric) {
  Json details = {{"split", metric.split}};
  add_detail(details, "data_sha256", task.hash);
  const std::optional<HubDataset> hub = hub_dataset(task.source);
  if (!hub) return {{"dataset_name", task.name}, {"source_type", "other"}, {"additional_details", details}};
  details["revision"] = hub->revision;
  details["config"] = hub->config;
  return {{"dataset_name", task.name}, {"source_type", "hf_dataset"}, {"hf_repo", hub->id},
          {"hf_split", metric.split},  {"samples_number", metric.n},  {"additional_details", details}};
}

Json scale_of(const std::string& metric) {
  const bool signed_score = std::find(correlations.begin(), correlations.end(), metric) != correlations.end();
  return {
      {"metric_id", metric},      {"metric_name", metric},      {"metric_unit", signed_score ? "points" : "proportion"},
      {"lower_is_better", false}, {"score_type", "continuous"}, {"min_score", signed_score ? -1.0 : 0.0},
      {"max_score", 1.0}};
}

Json score_of(const RunRecord& record, const MetricRecord& metric) {
  Json details = Json::object();
  if (metric.majority) {
    add_detail(details, "best_constant_answer_score", *metric.majority);
    add_detail(details, "best_constant_answer",
               metric.majority_answer.empty() ? record.task.majority_label : metric.majority_answer);
  }
  Json uncertainty = {{"num_samples", metric.n}};
  if (metric.interval && std::isfinite(metric.interval->low) && std::isfinite(metric.interval->high))
    uncertainty["confidence_interval"] = {
        {"lower", metric.interval->low}, {"upper", metric.interval->high}, {"confidence_level", 0.95}};
  return {{"score", metric.value}, {"details", std::move(details)}, {"uncertainty", std::move(uncertainty)}};
}

// How the answers were made: the evaluation's settings.
Json generation_of(const RunRecord& record) {
  Json details = Json::object();
  add_detail(details, "answers", record.answers);
  if (record.config.contains("eval")) add_details(details, "eval.", record.config.at("eval"));
  return {{"additional_details", std::move(details)}};
}

}  // namespace

Json every_eval_ever(const RunRecord& record) {
  if (record.status != "finished")
    throw DataError({.what = "the run has not finished, so it has no scores to export",
                     .found = record.id + ", status " + record.status,
                     .remedy = "run its command again to continue it"});
  Json results = Json::array();
  for (const ScoredTask& task : scored_tasks(record)) {
    for (const MetricRecord& metric : task.metrics) {
      if (!std::isfinite(metric.value)) continue;  // undefined: the format has numbers alone
      results.push_back({{"evaluation_result_id", task.name + "/" + metric.split + "/" + metric.name},
                         {"evaluation_name", task.name},
                         {"source_data", source_of(task, metric)},
                         {"evaluation_timestamp", record.ended},
                         {"metric_config", scale_of(metric.name)},
                         {"score_details", score_of(record, metric)},
                         {"generation_config", generation_of(record)}});
    }
  }
  if (results.empty())
    throw DataError({.what = "the run has no score that is a number",
                     .found = record.id,
                     .remedy = "see the metrics in its record.json"});
  Json library = Json::object();
  add_detail(library, "torch", record.program.torch);
  if (record.program.commit) add_detail(library, "commit", *record.program.commit);
  Json model = model_of(record);
  const std::string created = epoch_of(record.ended);
  return {{"schema_version", eee_schema},
          {"evaluation_id", record.task.name + "/" + model.at("id").get<std::string>() + "/" + created},
          {"evaluation_timestamp", record.ended},
          {"retrieved_timestamp", created},
          {"source_metadata",
           {{"source_name", "peft-bench"},
            {"source_type", "evaluation_run"},
            {"source_organization_name", "unknown"},
            {"evaluator_relationship", "first_party"}}},
          {"eval_library",
           {{"name", "peft-bench"}, {"version", record.program.peftbench}, {"additional_details", std::move(library)}}},
          {"model_info", std::move(model)},
          {"evaluation_results", std::move(results)}};
}

}  // namespace peftbench::results
