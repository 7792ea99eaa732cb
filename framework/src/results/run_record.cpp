#include "results/run_record.h"

#include <peftbench/error.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <utility>

namespace peftbench {
namespace {

// JSON has no NaN: an undefined number is null.
Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

std::optional<double> optional_number(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional<double>(json.get<double>());
}

// A number that a field cannot hold is damage, and is never made to fit.
struct Damage {
  std::string what;
};

template <class T>
void whole(const Json& parent, const char* key, T& value) {
  const Json& json = parent.at(key);
  const bool fits = json.is_number_unsigned()  ? std::in_range<T>(json.get<std::uint64_t>())
                    : json.is_number_integer() ? std::in_range<T>(json.get<std::int64_t>())
                                               : false;
  if (!fits) throw Damage{std::string("'") + key + "' is " + json.dump() + ", not a valid whole number"};
  value =
      json.is_number_unsigned() ? static_cast<T>(json.get<std::uint64_t>()) : static_cast<T>(json.get<std::int64_t>());
}

double number_from(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

Json metric_json(const MetricRecord& metric) {
  Json json = {{"split", metric.split}, {"name", metric.name}, {"value", metric.value}, {"n", metric.n}};
  json["interval"] = metric.interval ? Json::array({metric.interval->low, metric.interval->high}) : Json(nullptr);
  json["majority"] = number(metric.majority);
  json["majority_answer"] = metric.majority_answer;
  return json;
}

MetricRecord metric_from(const Json& json) {
  MetricRecord metric;
  json.at("split").get_to(metric.split);
  json.at("name").get_to(metric.name);
  metric.value = number_from(json.at("value"));
  whole(json, "n", metric.n);
  if (const Json& interval = json.at("interval"); !interval.is_null())
    metric.interval = Interval{number_from(interval.at(0)), number_from(interval.at(1))};
  metric.majority = optional_number(json.at("majority"));
  metric.majority_answer = json.value("majority_answer", "");
  return metric;
}

void add_details(const ScoreDetails& details, Json& json) {
  json["labels"] = details.labels;
  json["confusion"] = details.confusion;
  json["texts"] = details.texts;
}

// Older records lack them.
ScoreDetails details_from(const Json& json) {
  return {json.value("labels", Json::array()), json.value("confusion", Json::array()),
          json.value("texts", Json::object())};
}

Json task_json(const TaskScore& task) {
  Json json = {
      {"task", task.task},       {"source", task.source},     {"hash", task.hash},   {"definition", task.definition},
      {"trained", task.trained}, {"rate", number(task.rate)}, {"train", task.train}, {"scored", task.scored}};
  json["metrics"] = Json::array();
  for (const MetricRecord& metric : task.metrics) json["metrics"].push_back(metric_json(metric));
  json["majority_label"] = task.majority_label;
  json["answers"] = task.answers;
  json["illegal_rate"] = number(task.illegal_rate);
  json["loss"] = number(task.loss);
  add_details(task.details, json);
  json["predictions"] = task.predictions;
  json["predictions_hash"] = task.predictions_hash;
  return json;
}

TaskScore task_from(const Json& json) {
  TaskScore task;
  json.at("task").get_to(task.task);
  json.at("source").get_to(task.source);
  json.at("hash").get_to(task.hash);
  task.definition = json.value("definition", "");
  json.at("trained").get_to(task.trained);
  task.rate = optional_number(json.at("rate"));
  whole(json, "train", task.train);
  whole(json, "scored", task.scored);
  for (const Json& metric : json.at("metrics")) task.metrics.push_back(metric_from(metric));
  json.at("majority_label").get_to(task.majority_label);
  json.at("answers").get_to(task.answers);
  task.illegal_rate = optional_number(json.at("illegal_rate"));
  task.loss = optional_number(json.at("loss"));
  json.at("predictions").get_to(task.predictions);
  json.at("predictions_hash").get_to(task.predictions_hash);
  task.details = details_from(json);
  return task;
}

}  // namespace

DamagedRecord::DamagedRecord(const std::string& where, const std::string& fault)
    : DataError({where + " is not a run record", fault, "JSON with the fields in docs/results-schema.md",
                 "run the command of the run again, or peft-bench --config with the config.yaml next to the record: it "
                 "continues from the run's checkpoint and rewrites the record"}) {}

double RunRecord::wall_seconds() const {
  double sum = 0;
  for (const PhaseCost& phase : phases) sum += phase.wall_seconds;
  return sum;
}

std::int64_t RunRecord::peak_memory_bytes() const {
  std::int64_t peak = 0;
  for (const PhaseCost& phase : phases) peak = std::max(peak, phase.peak_memory_bytes);
  return peak;
}

Json to_json(const RunRecord& r) {
  Json json = {{"schema_version", RunRecord::schema},
               {"id", r.id},
               {"status", r.status},
               {"message", r.message},
               {"started", r.started},
               {"ended", r.ended}};
  json["program"] = {{"peftbench", r.peftbench_version}, {"torch", r.torch_version}};
  json["machine"] = {{"cpu", r.cpu}, {"threads", r.threads}};
  json["method"] = {{"name", r.method.name},           {"version", r.method.version}, {"summary", r.method.summary},
                    {"reference", r.method.reference}, {"plugin", r.method.plugin},   {"abi_note", r.method.abi_note},
                    {"values", r.method.values}};
  json["task"] = {{"name", r.task.name}, {"file", r.task.file},     {"source", r.task.source},
                  {"hash", r.task.hash}, {"train", r.task.train},   {"validation", r.task.validation},
                  {"test", r.task.test}, {"labels", r.task.labels}, {"majority_label", r.task.majority_label}};
  json["backbone"] = {{"name", r.backbone.name},
                      {"folder", r.backbone.folder},
                      {"precision", r.backbone.precision},
                      {"quantization", r.backbone.quantization},
                      {"bytes", r.backbone.bytes},
                      {"parameters", r.backbone.parameters},
                      {"checksum_before", r.backbone.checksum_before},
                      {"checksum_after", r.backbone.checksum_after}};
  json["vocabulary_hash"] = r.vocabulary_hash;
  json["seed"] = r.seed;
  json["config_hash"] = r.config_hash;
  json["config"] = r.config;
  json["sites"] = r.sites;
  json["ledger"] = r.ledger;
  json["training"] = {{"steps", r.training.steps},
                      {"best_step", r.training.best_step},
                      {"stopped_early", r.training.stopped_early},
                      {"resumed_from", r.training.resumed_from},
                      {"times_resumed", r.training.times_resumed},
                      {"examples", r.training.examples},
                      {"tokens", r.training.tokens},
                      {"loss_before", number(r.training.loss_before)},
                      {"loss_after", number(r.training.loss_after)},
                      {"loss_split", r.training.loss_split},
                      {"encoder_cache", r.training.encoder_cache}};
  json["metrics"] = Json::array();
  for (const MetricRecord& metric : r.metrics) json["metrics"].push_back(metric_json(metric));
  json["answers"] = r.answers;
  json["illegal_rate"] = number(r.illegal_rate);
  add_details(r.details, json);
  json["predictions_hash"] = r.predictions_hash;
  json["adapter_hash"] = r.adapter_hash;
  json["tasks"] = Json::array();
  for (const TaskScore& task : r.tasks) json["tasks"].push_back(task_json(task));
  json["phases"] = Json::array();
  for (const PhaseCost& p : r.phases)
    json["phases"].push_back({{"name", p.name},
                              {"wall_seconds", p.wall_seconds},
                              {"cpu_seconds", p.cpu_seconds},
                              {"peak_memory_bytes", p.peak_memory_bytes},
                              {"peak_is_of_phase", p.peak_is_of_phase}});
  json["warnings"] = r.warnings;
  return json;
}

RunRecord record_from_json(const Json& json, const std::string& where) try {
  int version = 0;
  whole(json, "schema_version", version);
  if (version != RunRecord::schema)
    throw DataError({where + " has an unknown schema version", std::to_string(version),
                     std::to_string(RunRecord::schema), "use the peft-bench that wrote it, or run again"});
  RunRecord r;
  json.at("id").get_to(r.id);
  json.at("status").get_to(r.status);
  json.at("message").get_to(r.message);
  json.at("started").get_to(r.started);
  json.at("ended").get_to(r.ended);
  const Json& program = json.at("program");
  program.at("peftbench").get_to(r.peftbench_version);
  program.at("torch").get_to(r.torch_version);
  json.at("machine").at("cpu").get_to(r.cpu);
  whole(json.at("machine"), "threads", r.threads);

  const Json& method = json.at("method");
  method.at("name").get_to(r.method.name);
  method.at("version").get_to(r.method.version);
  method.at("summary").get_to(r.method.summary);
  method.at("reference").get_to(r.method.reference);
  method.at("plugin").get_to(r.method.plugin);
  method.at("abi_note").get_to(r.method.abi_note);
  r.method.values = method.at("values");

  const Json& task = json.at("task");
  task.at("name").get_to(r.task.name);
  task.at("source").get_to(r.task.source);
  task.at("hash").get_to(r.task.hash);
  whole(task, "train", r.task.train);
  whole(task, "validation", r.task.validation);
  whole(task, "test", r.task.test);
  task.at("majority_label").get_to(r.task.majority_label);
  r.task.file = task.value("file", "");
  r.task.labels = task.value("labels", std::vector<std::string>());

  const Json& backbone = json.at("backbone");
  backbone.at("name").get_to(r.backbone.name);
  backbone.at("folder").get_to(r.backbone.folder);
  backbone.at("precision").get_to(r.backbone.precision);
  // Records of before there was quantisation lack both.
  r.backbone.quantization = backbone.value("quantization", "none");
  if (backbone.contains("bytes")) whole(backbone, "bytes", r.backbone.bytes);
  whole(backbone, "parameters", r.backbone.parameters);
  backbone.at("checksum_before").get_to(r.backbone.checksum_before);
  backbone.at("checksum_after").get_to(r.backbone.checksum_after);

  json.at("vocabulary_hash").get_to(r.vocabulary_hash);
  whole(json, "seed", r.seed);
  json.at("config_hash").get_to(r.config_hash);
  r.config = json.at("config");
  json.at("sites").get_to(r.sites);
  r.ledger = json.at("ledger");

  const Json& training = json.at("training");
  whole(training, "steps", r.training.steps);
  whole(training, "best_step", r.training.best_step);
  training.at("stopped_early").get_to(r.training.stopped_early);
  whole(training, "resumed_from", r.training.resumed_from);
  whole(training, "times_resumed", r.training.times_resumed);
  whole(training, "examples", r.training.examples);
  whole(training, "tokens", r.training.tokens);
  r.training.loss_before = optional_number(training.at("loss_before"));
  r.training.loss_after = optional_number(training.at("loss_after"));
  training.at("loss_split").get_to(r.training.loss_split);
  r.training.encoder_cache = training.at("encoder_cache");

  for (const Json& metric : json.at("metrics")) r.metrics.push_back(metric_from(metric));
  r.answers = json.value("answers", "");
  r.illegal_rate = optional_number(json.at("illegal_rate"));
  r.details = details_from(json);
  json.at("predictions_hash").get_to(r.predictions_hash);
  json.at("adapter_hash").get_to(r.adapter_hash);
  for (const Json& score : json.value("tasks", Json::array())) r.tasks.push_back(task_from(score));
  for (const Json& phase : json.at("phases")) {
    PhaseCost cost;
    phase.at("name").get_to(cost.name);
    cost.wall_seconds = number_from(phase.at("wall_seconds"));
    cost.cpu_seconds = number_from(phase.at("cpu_seconds"));
    whole(phase, "peak_memory_bytes", cost.peak_memory_bytes);
    phase.at("peak_is_of_phase").get_to(cost.peak_is_of_phase);
    r.phases.push_back(cost);
  }
  json.at("warnings").get_to(r.warnings);
  return r;
} catch (const nlohmann::json::exception& error) {
  throw DamagedRecord(where, error.what());
} catch (const Damage& damage) {
  throw DamagedRecord(where, damage.what);
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace peftbench
