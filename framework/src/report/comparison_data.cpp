#include "core/json.h"
#include "core/names.h"
#include "report/comparison_report.h"
#include "report/escape.h"
#include "report/row_text.h"

#include <cmath>

namespace peftbench {
namespace {

Json json_number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json json_range(const std::optional<Range>& range) {
  if (!range) return nullptr;
  return range->low == range->high ? Json(range->low) : Json::array({range->low, range->high});
}

Json json_summary(const Summary& summary) {
  return {{"mean", json_number(summary.mean)}, {"sd", json_number(summary.deviation)}, {"n", summary.n}};
}

Json row_json(const ComparisonRow& row) {
  Json json = {{"label", row.label},       {"method", row.method}, {"task", row.task},
               {"backbone", row.backbone}, {"metric", row.metric}, {"split", row.split}};
  json["answers"] = row.answers;
  json["evaluation"] = row.evaluation;
  json["evaluated_otherwise"] = row.otherwise;
  json["warnings"] = warnings_of(row);
  json["examples"] = json_range(row.examples);
  json["score"] = json_summary(row.score);
  json["tasks"] = Json::array();
  for (const OtherScore& other : row.others)
    json["tasks"].push_back({{"task", other.task},
                             {"trained", other.trained},
                             {"metric", other.metric},
                             {"split", other.split},
                             {"examples", json_range(other.examples)},
                             {"score", json_summary(other.score)},
                             {"majority", json_number(other.majority)},
                             {"illegal_rate", json_number(other.illegal_rate)}});
  json["majority"] = json_number(row.majority);
  json["illegal_rate"] = json_number(row.illegal_rate);
  json["trained"] = json_range(row.trained);
  json["percent"] = json_number(row.percent);
  json["receiving_gradient"] = json_range(row.receiving_gradient);
  json["stored"] = json_range(row.stored);
  json["inference"] = json_range(row.inference);
  json["after_merge"] = json_range(row.after_merge);
  json["bytes_stored"] = json_range(row.bytes_stored);
  json["prompt_tokens"] = json_range(row.prompt_tokens);
  json["step_seconds"] = json_number(row.step_seconds);
  json["peak_memory_bytes"] = row.peak_memory_bytes ? Json(*row.peak_memory_bytes) : Json(nullptr);
  json["runs"] = Json::array();
  for (const SeedRun& run : row.runs)
    json["runs"].push_back({{"seed", run.seed},
                            {"id", run.id},
                            {"status", run.status},
                            {"message", run.message},
                            {"score", json_number(run.score)}});
  return json;
}

}  // namespace

std::string comparison_csv(const std::vector<ComparisonRow>& rows) {
  const std::vector<std::string> keys = {"label",
                                         "method",
                                         "task",
                                         "backbone",
                                         "metric",
                                         "split",
                                         "examples",
                                         "majority",
                                         "illegal_rate",
                                         "trained",
                                         "percent",
                                         "receiving_gradient",
                                         "stored",
                                         "inference",
                                         "after_merge",
                                         "bytes_stored",
                                         "prompt_tokens",
                                         "step_seconds",
                                         "peak_memory_bytes",
                                         "answers",
                                         "evaluated_otherwise",
                                         "warnings"};
  const auto plain = [](const Json& value) {
    if (value.is_null()) return std::string();
    if (value.is_array() && (value.empty() || value.front().is_string()))
      return join(value.get<std::vector<std::string>>());
    if (value.is_array()) return value.at(0).dump() + "-" + value.at(1).dump();
    return json_text(value);
  };
  std::string text = join(keys, ",") + ",score_mean,score_sd,seeds,seeds_finished,message\n";
  for (const ComparisonRow& row : rows) {
    const Json json = row_json(row);
    for (const std::string& key : keys) text += for_csv(plain(json.at(key))) + ",";
    std::string message;
    for (const SeedRun& run : row.runs)
      if (message.empty()) message = first_lines(run.message);
    const auto end = [&](const Json& score) {
      text += plain(score.at("mean")) + "," + plain(score.at("sd")) + "," + std::to_string(row.runs.size()) + "," +
              std::to_string(finished(row)) + "," + for_csv(message) + "\n";
    };
    end(json.at("score"));
    for (const Json& other : json.at("tasks")) {  // the same runs on another task: what is known of it alone
      Json known = {{"label", row.label}, {"method", row.method}, {"backbone", row.backbone}};
      known["task"] = row.task + " → " + other.at("task").get<std::string>();
      for (const char* key : {"metric", "split", "examples", "majority", "illegal_rate"}) known[key] = other.at(key);
      for (const std::string& key : keys) text += for_csv(plain(known.value(key, Json()))) + ",";
      end(other.at("score"));
    }
  }
  return text;
}

Json comparison_json(const std::vector<ComparisonRow>& rows) {
  Json json = Json::array();
  for (const ComparisonRow& row : rows) json.push_back(row_json(row));
  return json;
}

}  // namespace peftbench
