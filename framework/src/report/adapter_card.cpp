#include "report/adapter_card.h"

#include "core/json.h"
#include "core/names.h"
#include "report/escape.h"
#include "report/format.h"
#include "report/run_report.h"
#include "results/scored_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace peftbench::report {
namespace {

constexpr std::string_view card_mark =
    "<!-- written by peft-bench: it is replaced when the adapter is written again -->";

// JSON is YAML, but for characters that YAML does not print.
std::string yaml_text(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if (c == 0x7f || c == '<') {  // no markup in metadata either
      result += fmt::format("\\u{:04x}", c);
    } else if (c == 0xc2 && next < 0xa0) {  // U+0080 to U+009F
      result += fmt::format("\\u{:04x}", next);
      ++i;
    } else if (text.compare(i, 2, "\xef\xbf") == 0 && i + 2 < text.size() &&
               static_cast<unsigned char>(text[i + 2]) >= 0xbe) {  // U+FFFE, U+FFFF
      result += static_cast<unsigned char>(text[i + 2]) == 0xbe ? "\\ufffe" : "\\uffff";
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

bool has_value(const MetricRecord& metric) { return std::isfinite(metric.value); }

Json model_index(const CardFacts& facts, const std::string& title) {
  Json results = Json::array();
  for (const ScoredTask& task : scored_tasks(*facts.record)) {
    Json metrics = Json::array();
    for (const MetricRecord& metric : task.metrics)
      if (has_value(metric))
        metrics.push_back(
            {{"type", metric.name}, {"value", metric.value}, {"name", metric.name + " (" + metric.split + ")"}});
    if (metrics.empty()) continue;
    const std::optional<HubDataset> hub = hub_dataset(task.source);
    Json dataset = {{"type", hub ? hub->id : task.name}, {"name", task.name}, {"split", task.metrics.front().split}};
    if (hub) dataset.update({{"config", hub->config}, {"revision", hub->revision}});
    results.push_back({{"task", {{"type", "text2text-generation"}}}, {"dataset", dataset}, {"metrics", metrics}});
  }
  return results.empty() ? Json(nullptr) : Json::array({{{"name", title}, {"results", results}}});
}

std::string metadata(const CardFacts& facts, const std::string& title) {
  Json all = Json::object();
  if (!facts.backbone.empty()) all["base_model"] = facts.backbone;
  all["library_name"] = facts.library;
  all["tags"] = {"peft-bench", "parameter-efficient-fine-tuning", "t5", facts.method};
  if (facts.record) {
    Json datasets = Json::array(), metrics = Json::array();
    for (const ScoredTask& task : scored_tasks(*facts.record)) {
      if (const auto hub = hub_dataset(task.source)) datasets.push_back(hub->id);
      for (const MetricRecord& metric : task.metrics)
        if (std::find(metrics.begin(), metrics.end(), metric.name) == metrics.end()) metrics.push_back(metric.name);
    }
    if (!datasets.empty()) all["datasets"] = datasets;
    if (!metrics.empty()) all["metrics"] = metrics;
    if (Json index = model_index(facts, title); !index.is_null()) all["model-index"] = std::move(index);
  }
  std::string text = "---\n";
  for (const auto& [key, value] : all.items()) text += key + ": " + yaml_text(value) + "\n";
  return text + "---\n";
}

std::string card_row(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const std::string& cell : cells) row += " " + for_markdown(cell) + " |";
  return row + "\n";
}

std::string card_head(const std::vector<std::string>& titles) {
  std::string rule = "|";
  for (std::size_t i = 0; i < titles.size(); ++i) rule += " --- |";
  return card_row(titles) + rule + "\n";
}

std::string card_count(const Json& ledger, const char* key) {
  const auto found = ledger.find(key);
  return found != ledger.end() && found->is_number_integer() ? with_thousands(found->get<long long>()) : "unknown";
}

std::string facts_table(const CardFacts& facts) {
  std::string text = card_head({"", ""}) + card_row({"method", facts.method + " " + facts.version}) +
                     card_row({"frozen model", facts.backbone}) +
                     card_row({"trained on", facts.task.empty() ? "unknown" : facts.task}) +
                     card_row({"format", facts.format});
  if (!facts.record) return text;
  const RunRecord& record = *facts.record;
  text += card_row({"reference", record.method.reference});
  text += card_row({"precision of the frozen model",
                    record.backbone.precision +
                        (record.backbone.quantization == "none" ? "" : ", " + record.backbone.quantization)});
  text += card_row({"SHA-256 of the frozen model", record.backbone.checksum_before});
  text +=
      card_row({"examples", with_thousands(record.task.train) + " training, " + with_thousands(record.task.validation) +
                                " validation, " + with_thousands(record.task.test) + " test"});
  text += card_row({"SHA-256 of the examples", record.task.hash});
  if (!record.task.labels.empty()) text += card_row({"label words", join(record.task.labels)});
  text += card_row({"training", with_thousands(record.training.steps) + " steps, the parameters of step " +
                                    with_thousands(record.training.best_step)});
  text += card_row({"random seed", std::to_string(record.seed)});
  text += card_row({"run", record.id});
  return text + card_row({"program", "peft-bench " + record.program.peftbench + ", LibTorch " + record.program.torch});
}

std::string values_table(const Json& values) {
  if (values.empty()) return "";
  std::string text = "\n## Values of the method\n\n" + card_head({"parameter", "value"});
  for (const auto& [key, value] : values.items()) text += card_row({key, json_text(value)});
  return text;
}

std::string scores_table(const RunRecord& record) {
  const std::vector<ScoredTask> scored = scored_tasks(record);
  if (scored.empty()) return "";
  std::string text =
      "\n## Scores\n\n" + card_head({"task", "split", "metric", "score", "95 % interval", "n", "best constant answer"});
  for (const ScoredTask& task : scored)
    for (const MetricRecord& metric : task.metrics)
      text += card_row(
          {task.name + (task.trained ? "" : " (not trained on)"), metric.split, metric.name, format_score(metric.value),
           metric.interval
               ? fmt::format("{} to {}", format_score(metric.interval->low), format_score(metric.interval->high))
               : "–",
           with_thousands(metric.n), metric.majority ? format_score(*metric.majority) : "–"});
  text += "\nOne run with one random seed: runs with other seeds have other scores.";
  if (!record.answers.empty()) text += " Answers are " + for_markdown(record.answers) + ".";
  return text + "\n";
}

std::string counts_table(const Json& ledger) {
  if (!ledger.contains("trained")) return "";
  std::string text = "\n## Parameters\n\n" + card_head({"", "count"});
  constexpr std::pair<const char*, const char*> counts[] = {{"trained", "trained"},
                                                            {"receiving_gradient", "receiving gradient"},
                                                            {"stored", "stored"},
                                                            {"inference", "at inference"},
                                                            {"after_merge", "after merging"}};
  for (const auto& [key, title] : counts) text += card_row({title, card_count(ledger, key)});
  if (const auto share = ledger.find("percent"); share != ledger.end() && share->is_number())
    text += card_row({"trained, of all", format_percent(share->get<double>() / 100)});
  return text;
}

std::string warnings_list(const RunRecord& record) {
  if (record.warnings.empty()) return "";
  std::string text = "\n## Warnings\n\n";
  for (const std::string& warning : record.warnings) text += "- " + for_markdown(warning) + "\n";
  return text;
}

std::string usage(const CardFacts& facts) {
  std::string text = "\n## Use\n\n";
  if (facts.library == "peft")
    return text +
           "`peft.PeftModel.from_pretrained(model, FOLDER)`, where `model` is the frozen model as "
           "`transformers.AutoModelForSeq2SeqLM` loads it.\n";
  if (facts.library == "transformers")
    return text + "`transformers.AutoModelForSeq2SeqLM.from_pretrained(FOLDER)`: the method is part of the weights.\n";
  return text + "`peft-bench eval FOLDER` scores it again" +
         (facts.format == "peft-bench" ? "" : ", and `peft-bench import` reads it") + ".\n";
}

// The settings of a run as its identity has them, without the hashes of what they name.
Json settings_of(const RunRecord& record) {
  Json settings = {{"method", record.method.name}};
  for (const auto& [key, value] : record.config.items())
    if (key == "set" || key == "task" || key == "backbone" || key == "eval" || key == "train" || key == "seed" ||
        key == "threads")
      settings[key] = value;
  const auto erase = [&](const char* section, std::initializer_list<const char*> keys) {
    if (!settings.contains(section)) return;
    for (const char* key : keys) settings[section].erase(key);
  };
  erase("task", {"definition", "data"});
  erase("backbone", {"checksum"});
  if (settings.contains("eval") && settings["eval"].contains("tasks"))
    for (Json& task : settings["eval"]["tasks"])
      if (task.is_object()) task = Json(task.value("name", ""));
  return settings;
}

std::string repetition(const RunRecord& record) {
  if (!record.config.contains("train")) return "";
  std::string text =
      "\n## Repeat\n\nWith the lines below in a file `run.yaml` (JSON is YAML), and the model and task of the hashes "
      "above,\n\n```sh\npeft-bench --config run.yaml\n```\n\ntrains it again.";
  if (const Json start = record.config.value("init_from", Json("")); start.is_string() && start != "")
    text += " Training began with values from a file, given with `--init-from`.";
  if (record.config.contains("set_files") && !record.config.at("set_files").empty())
    text += " Files among the values of the method must be there too.";
  // No line of JSON is a fence: its strings are in one line, in quotes.
  return text + "\n\n```yaml\n" + settings_of(record).dump(1, ' ', false, Json::error_handler_t::replace) + "\n```\n";
}

}  // namespace

CardFacts card_facts(const RunRecord& record, std::string format, std::string library) {
  return {std::move(format),    std::move(library),   record.method.name, record.method.version,
          record.method.values, record.backbone.name, record.task.name,   &record};
}

std::string adapter_card(const CardFacts& facts) {
  const std::string title = facts.method + (facts.task.empty() ? "" : " on " + facts.task);
  std::string text = metadata(facts, title) + std::string(card_mark) + "\n\n# " + for_markdown(title) + "\n\n";
  const std::string backbone = for_markdown(facts.backbone);
  text += facts.format == "merged"
              ? "The model " + backbone + " with a trained method merged into its weights."
              : "What parameter-efficient fine-tuning of " + backbone + " trained; its own weights are frozen.";
  if (facts.record && !facts.record->method.summary.empty())
    text += " " + for_markdown(facts.record->method.summary) + ".";
  text += "\n\n" + facts_table(facts) + values_table(facts.values);
  if (facts.record)
    text += scores_table(*facts.record) + counts_table(facts.record->ledger) + warnings_list(*facts.record);
  text += usage(facts);
  if (facts.record) text += repetition(*facts.record);
  return text;
}

bool is_own_card(std::string_view text) { return text.find(card_mark) != std::string_view::npos; }

std::string hub_results(const RunRecord& record) {
  std::string text;
  for (const ScoredTask& task : scored_tasks(record)) {
    const std::optional<HubDataset> hub = hub_dataset(task.source);
    if (!hub || task.metrics.empty() || !has_value(task.metrics.front())) continue;
    const MetricRecord& score = task.metrics.front();
    std::string notes = score.name + " on " + with_thousands(score.n) + " examples of the " + score.split + " split";
    if (score.interval)
      notes += fmt::format(", 95 % interval {} to {}", format_score(score.interval->low),
                           format_score(score.interval->high));
    notes += "; " + record.method.name + " on " + record.backbone.name + ", peft-bench " + record.program.peftbench;
    Json entry = {{"dataset", {{"id", hub->id}, {"task_id", hub->config}, {"revision", hub->revision}}},
                  {"value", score.value}};
    if (!record.ended.empty()) entry["date"] = record.ended;
    entry["notes"] = notes;
    text += "- " + yaml_text(entry) + "\n";
  }
  return text;
}

}  // namespace peftbench::report
