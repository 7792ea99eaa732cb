#include "report/run_report.h"

#include "core/names.h"
#include "report/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace peftbench::report {
namespace {

std::string metric_text(const MetricRecord& metric) {
  std::string text = metric.name + " " + format_score(metric.value);
  if (metric.interval)
    text += fmt::format("  [{}, {}]", format_score(metric.interval->low), format_score(metric.interval->high));
  return text + fmt::format("  on {} {} examples", with_thousands(metric.n), metric.split);
}

std::string precision_text(const RunRecord& record) {
  const auto& backbone = record.backbone;
  return backbone.precision + (backbone.quantization == "none" ? "" : ", linear maps in " + backbone.quantization);
}

std::string count(const Json& ledger, const char* key) {
  const auto found = ledger.find(key);
  if (found == ledger.end() || !found->is_number_integer()) return "unknown";
  return with_thousands(found->get<long long>());
}

// Of a backbone without elements the share is no number, and null in JSON.
std::string percent(const Json& ledger) {
  const auto found = ledger.find("percent");
  return found != ledger.end() && found->is_number() ? format_percent(found->get<double>() / 100) : "unknown";
}

std::string loss_text(double loss) { return std::isfinite(loss) ? fmt::format("{:.4f}", loss) : format_score(loss); }

void add_counts(TextSheet& sheet, const Json& ledger) {
  sheet.add("parameters", fmt::format("{} trained ({} of all), {} receiving gradient", count(ledger, "trained"),
                                      percent(ledger), count(ledger, "receiving_gradient")));
  sheet.add("", fmt::format("{} stored, {} at inference, {} after merging", count(ledger, "stored"),
                            count(ledger, "inference"), count(ledger, "after_merge")));
  if (ledger.value("prompt_tokens", Json(0)) != 0)
    sheet.add("", count(ledger, "prompt_tokens") + " prompt token ids, which Lester et al. count as parameters");
}

void add_scores(TextSheet& sheet, const RunRecord& record) {
  for (const MetricRecord& metric : record.metrics) {
    sheet.add(&metric == &record.metrics.front() ? "score" : "", metric_text(metric));
    if (metric.majority) sheet.add("", metric.name + " " + constant_text(metric, record.task.majority_label));
  }
  const Json::json_pointer score("/eval/rank_score");
  if (record.answers == "ranked")
    sheet.add("", "label words ranked by the " + record.config.value(score, "") + " of their log-probabilities");
  if (record.illegal_rate)
    sheet.add("", fmt::format("{} of the answers illegal", format_percent(*record.illegal_rate)));
}

void add_training(TextSheet& sheet, const RunRecord& record) {
  const auto& training = record.training;
  if (training.loss_before && training.loss_after)
    sheet.add("loss", fmt::format("{} → {}  on the {} split, step {} of {}{}", loss_text(*training.loss_before),
                                  loss_text(*training.loss_after), training.loss_split, training.best_step,
                                  training.steps, training.stopped_early ? " (stopped early)" : ""));
  else if (training.loss_after)
    sheet.add("loss", fmt::format("{}  on the {} split", loss_text(*training.loss_after), training.loss_split));
}

void add_costs(TextSheet& sheet, const RunRecord& record) {
  std::vector<std::string> parts;
  for (const PhaseCost& phase : record.phases) parts.push_back(phase.name + " " + format_duration(phase.wall_seconds));
  sheet.add("time", format_duration(record.wall_seconds()) + "  (" + join(parts) + ")");
  if (const auto& training = record.training; training.times_resumed > 0)
    sheet.add("",
              fmt::format("in {} processes, the last from step {}", training.times_resumed + 1, training.resumed_from));
  const bool exact =
      std::all_of(record.phases.begin(), record.phases.end(), [](const auto& p) { return p.peak_is_of_phase; });
  const RunRecord::Machine& machine = record.machine;
  const bool on_cpu = machine.device.empty() || machine.device == "cpu";
  sheet.add("machine", fmt::format("{}{} thread{}{}", machine.cpu.empty() ? "" : machine.cpu + ", ", machine.threads,
                                   machine.threads == 1 ? "" : "s", on_cpu ? "; no GPU is used" : ""));
  if (!on_cpu)
    sheet.add("", machine.device + (machine.device_name.empty() ? "" : ", " + machine.device_name) +
                      (machine.driver.empty() ? "" : ", driver " + machine.driver));
  sheet.add("memory", format_bytes(record.peak_memory_bytes()) + " at peak" + (exact ? "" : " (since the start)"));
  if (const auto peak = record.peak_device_memory_bytes())
    sheet.add("", format_bytes(*peak) + " of tensors on " + machine.device + " at peak");
}

}  // namespace

std::string constant_text(const MetricRecord& metric, const std::string& majority_label) {
  const std::string& answer = metric.majority_answer.empty() ? majority_label : metric.majority_answer;
  if (answer.empty()) return format_score(*metric.majority) + " for constant answers";  // of several tasks
  return fmt::format("{} for always answering '{}'", format_score(*metric.majority), answer);
}

void add_task_scores(TextSheet& sheet, const std::vector<TaskScore>& tasks) {
  bool first_of_mixture = true, first_of_others = true;
  for (const TaskScore& task : tasks) {
    bool& first = task.trained ? first_of_mixture : first_of_others;
    for (const MetricRecord& metric : task.metrics) {
      std::string text = task.task;
      if (task.rate && &metric == &task.metrics.front()) text += fmt::format(" (rate {:.3f})", *task.rate);
      text += ": " + metric_text(metric);
      if (metric.majority) text += "; " + constant_text(metric, task.majority_label);
      sheet.add(!first ? "" : task.trained ? "tasks" : "transfer", text);
      first = false;
    }
    if (task.illegal_rate && *task.illegal_rate > 0)
      sheet.add("", fmt::format("{}: {} of the answers illegal", task.task, format_percent(*task.illegal_rate)));
  }
}

std::string describe_run(const RunRecord& record, const std::string& folder, std::size_t width) {
  TextSheet sheet;
  sheet.add("run", record.id + (record.status == "finished" ? "" : "  (" + record.status + ")"));
  if (!record.message.empty()) sheet.add("message", record.message);
  sheet.add("method", record.method.name + " " + record.method.version);
  sheet.add("task", record.task.name);
  sheet.add("backbone", fmt::format("{}, {} frozen parameters, {}", record.backbone.name,
                                    with_thousands(record.backbone.parameters), precision_text(record)));
  if (record.backbone.bytes > 0) sheet.add("", format_bytes(record.backbone.bytes) + " of memory for the weights");
  add_scores(sheet, record);
  add_task_scores(sheet, record.tasks);
  add_training(sheet, record);
  if (record.ledger.contains("trained")) add_counts(sheet, record.ledger);
  if (!record.phases.empty()) add_costs(sheet, record);
  if (!record.backbone.checksum_after.empty())
    sheet.add("checksum",
              fmt::format("{} before and after: the backbone is {}", record.backbone.checksum_before.substr(0, 16),
                          record.backbone.checksum_before == record.backbone.checksum_after ? "unchanged" : "CHANGED"));
  for (const std::string& warning : record.warnings) sheet.add("warning", warning);
  sheet.add("folder", folder);
  return sheet.text(width);
}

std::string describe_ledger(const Json& ledger, std::int64_t backbone_parameters, std::size_t width) {
  TextSheet sheet;
  sheet.add("backbone", with_thousands(backbone_parameters) + " frozen parameters");
  sheet.add("trained", fmt::format("{} ({} of all)", count(ledger, "trained"), percent(ledger)));
  sheet.add("stored", count(ledger, "stored"));
  sheet.add("inference", count(ledger, "inference"));
  sheet.add("after merging", count(ledger, "after_merge"));
  if (const Json tokens = ledger.value("prompt_tokens", Json(0)); tokens.is_null())
    sheet.add("prompt ids", "unknown without an example; a run measures them");
  else if (tokens != 0)
    sheet.add("prompt ids", count(ledger, "prompt_tokens"));
  return sheet.text(width);
}

}  // namespace peftbench::report
