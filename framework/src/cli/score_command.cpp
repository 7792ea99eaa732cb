#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "core/names.h"
#include "data/task/metric_names.h"
#include "data/task/task.h"
#include "data/task/task_mixture.h"
#include "eval/label_report.h"
#include "eval/prediction_file.h"
#include "report/format.h"
#include "report/text_sheet.h"
#include "results/result_store.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace peftbench::cli {
namespace {

using Json = nlohmann::ordered_json;

// By what a file is scored, or the lines of a mixture's task in it.
struct Rules {
  std::string task;  // empty: all lines
  std::vector<std::string> metrics, labels;
};

struct Scored {
  std::string file, task;
  std::size_t examples = 0;
  std::vector<MetricValue> metrics;
  std::vector<ConstantAnswer> constants;
  std::optional<double> illegal_rate;
  LabelReport labels;
  std::vector<std::string> warnings;

  const ConstantAnswer* constant(const std::string& metric) const {
    const auto found =
        std::find_if(constants.begin(), constants.end(), [&](const auto& c) { return c.name == metric; });
    return found == constants.end() ? nullptr : &*found;
  }
};

Scored score(const std::string& file, const Rules& rules, std::uint64_t seed) {
  const auto& [task, metrics, labels] = rules;
  PredictionFile read = read_predictions(file, labels, task);
  check_scorable(read, metrics);
  std::vector<Prediction>& predictions = read.predictions;
  const int count = static_cast<int>(labels.size());
  std::size_t illegal = 0;
  for (Prediction& p : predictions) {
    judge_answer(p, metrics, count);
    illegal += p.illegal ? 1 : 0;
  }
  Scored result{file,
                task,
                predictions.size(),
                compute_metrics(metrics, predictions, count, seed),
                {},
                {},
                label_report(predictions, labels),
                {}};
  result.warnings = label_remarks(result.labels, "");
  if (answers_may_be_illegal(metrics, count))
    result.illegal_rate = static_cast<double>(illegal) / static_cast<double>(predictions.size());
  result.constants = constant_answers(metrics, std::move(predictions), labels);
  return result;
}

Json as_json(const Scored& scored) {
  Json json = {{"file", scored.file}};
  if (!scored.task.empty()) json["task"] = scored.task;
  json["examples"] = scored.examples;
  json["metrics"] = Json::array();
  for (const MetricValue& m : scored.metrics) {
    const ConstantAnswer* constant = scored.constant(m.name);
    json["metrics"].push_back({{"name", m.name},
                               {"value", m.value},
                               {"n", m.n},
                               {"interval", {m.low, m.high}},
                               {"majority", constant ? Json(constant->value) : Json()},
                               {"majority_answer", constant ? Json(constant->answer) : Json()}});
  }
  json["illegal_rate"] = scored.illegal_rate ? Json(*scored.illegal_rate) : Json();
  json["labels"] = labels_json(scored.labels);
  json["confusion"] = scored.labels.confusion;
  json["warnings"] = scored.warnings;
  return json;
}

// "20 targets, 3 answers; precision 0.333, recall 0.050, F1 0.087; answered: praise 1, blame 18, none of them 1"
std::string label_text(const LabelReport& report, std::size_t label) {
  const LabelScore& own = report.labels[label];
  const auto number = [](const std::optional<double>& value) { return value ? format_score(*value) : "–"; };
  std::string text =
      fmt::format("{} targets, {} answers; precision {}, recall {}, F1 {}", with_thousands(own.targets),
                  with_thousands(own.answers), number(own.precision()), number(own.recall()), number(own.f1()));
  if (report.confusion.empty() || own.targets == 0) return text;
  std::vector<std::string> given;
  const std::vector<std::int64_t>& row = report.confusion[label];
  for (std::size_t answer = 0; answer < row.size(); ++answer)
    if (row[answer] > 0)
      given.push_back(fmt::format("{} {}", answer < report.labels.size() ? report.labels[answer].label : "none of them",
                                  with_thousands(row[answer])));
  return text + "; predicted: " + join(given);
}

std::string as_text(const Scored& scored) {
  TextSheet sheet;
  for (const MetricValue& m : scored.metrics) {
    std::string line = fmt::format("{}  [{}, {}]  of {}", format_score(m.value), format_score(m.low),
                                   format_score(m.high), with_thousands(m.n));
    if (const ConstantAnswer* constant = scored.constant(m.name))
      line += fmt::format(", against {} for always answering '{}'", format_score(constant->value), constant->answer);
    sheet.add(m.name, line);
  }
  if (scored.illegal_rate) sheet.add("illegal", format_percent(*scored.illegal_rate) + " of the answers");
  for (std::size_t label = 0; label < scored.labels.labels.size(); ++label)
    sheet.add(scored.labels.labels[label].label, label_text(scored.labels, label));
  for (const std::string& warning : scored.warnings) sheet.add("warning", warning);
  return scored.file + (scored.task.empty() ? "" : ", " + scored.task) + "\n" + sheet.text(terminal_width(1));
}

void check(const Rules& rules) {
  if (rules.metrics.empty())
    throw ConfigError({.what = "no metrics given", .expected = "--task NAME, or --metrics of " + join(metric_names())});
  for (const std::string& metric : rules.metrics)
    if (const auto problem = metric_problem(metric, rules.metrics, rules.labels)) throw ConfigError(*problem);
  for (auto word = rules.labels.begin(); word != rules.labels.end(); ++word)
    if (std::find(rules.labels.begin(), word, *word) != word)
      throw ConfigError({.what = "duplicate label word", .found = "'" + *word + "'", .expected = "each word once"});
}

}  // namespace

int score_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "score",
      "Computes metrics for prediction files: the predictions.jsonl of a run, or answers of another program,\n"
      "one JSON object per line: {\"prediction\": \"…\", \"target\": \"…\"}. No model is loaded.");
  std::vector<std::string> files, metrics, labels;
  std::string task;
  std::uint64_t seed = 0;
  CLI::App& app = arguments.app();
  app.add_option("FILE", files, "one or more prediction files")->required()->type_name("");
  app.add_option("--task", task, "use the metrics and label words of this task")->type_name("NAME");
  app.add_option("--metrics", metrics, "metrics, instead of the task's")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAME,…");
  app.add_option("--labels", labels, "label words in the order of their indices, instead of the task's")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("WORD,…");
  app.add_option("--seed", seed, "random seed of the bootstrap intervals")->capture_default_str();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  std::vector<Rules> all;
  if (task.empty()) {
    all.push_back({{}, metrics, labels});
  } else {
    const TaskConfig config = read_task_config(task, arguments.paths().task_folders());
    for (const TaskConfig* part : parts_of(config))
      all.push_back({config.mixture ? part->name : "", metrics.empty() ? part->metrics : metrics,
                     labels.empty() ? part->labels : labels});
  }
  for (const Rules& rules : all) check(rules);
  Json json = Json::array();
  std::string text;
  for (const std::string& file : files) {
    check_predictions(file);
    for (const Rules& rules : all) {
      const Scored scored = score(file, rules, seed);
      if (arguments.json())
        json.push_back(as_json(scored));
      else
        text += as_text(scored);
    }
  }
  if (arguments.json())
    print_json(json);
  else
    print(text);
  return 0;
}

}  // namespace peftbench::cli
