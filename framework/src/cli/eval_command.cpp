#include "adapters/adapter_place.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/fetch.h"
#include "commands/evaluate_adapter.h"
#include "commands/evaluate_run.h"
#include "config/settings.h"
#include "core/names.h"
#include "report/format.h"
#include "report/run_report.h"
#include "report/text_sheet.h"
#include "results/result_store.h"
#include "results/run_record.h"

#include <peftbench/error.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <optional>

namespace peftbench::cli {

int eval_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "eval",
      "Evaluates the trained method of a finished run again, or on another task. The run is not changed.\n"
      "An adapter folder (of peft-bench or Hugging Face) is evaluated with --backbone and --task.");
  EvaluateRequest request;
  EvaluateAdapterRequest adapter;
  std::string name, predictions;
  std::vector<std::string> set;
  arguments.app().add_option("RUN", name, "a run's folder or id, or an adapter's folder")->required()->type_name("");
  arguments.app().add_option("--backbone", adapter.backbone, "backbone, for an adapter folder")->type_name("NAME");
  arguments.app().add_option("--method", adapter.method, "if several methods support the adapter")->type_name("NAME");
  arguments.app()
      .add_option("--set", set, "an evaluation setting for an adapter folder (eval.mode=rank); may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  arguments.app().add_option("--task", request.asked.task, "a task other than the run's")->type_name("NAME");
  arguments.app()
      .add_option("--label-map", request.asked.label_map,
                  "from:to, replaced in answers on another task; may be repeated")
      ->type_name("FROM:TO")
      ->delimiter(',')
      ->allow_extra_args(false);
  arguments.app().add_option("--split", request.asked.split, "test or validation")->type_name("NAME");
  arguments.app()
      .add_option("--examples", request.examples, "use only N examples of the split, the same ones every time; 0: all")
      ->check(CLI::NonNegativeNumber);
  arguments.app().add_option("--threads", request.asked.threads, "CPU threads; 0: as in the run");
  arguments.app().add_option("--device", request.asked.device, "auto, cpu, cuda or cuda:N; default: as in the run");
  arguments.app()
      .add_option("--batch-size", request.asked.batch_size, "examples per batch; 0: as in the run")
      ->check(CLI::NonNegativeNumber);
  arguments.app()
      .add_option("--predictions", predictions, "write the answers to this file, one JSON object per line")
      ->type_name("FILE");
  arguments.add_out();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  request.paths = fetching(arguments.paths());
  if (!predictions.empty()) request.predictions = predictions;
  ConsoleProgress progress;
  const std::optional<fs::path> folder = lone_adapter(name, arguments.out());
  if (!folder) {
    if (!adapter.backbone.empty() || !adapter.method.empty() || !set.empty())
      throw ConfigError({"a run is evaluated with its own method, backbone and settings", name,
                         "--backbone, --method and --set only for an adapter folder", "remove them"});
    request.run = find_run(name, arguments.out());
  }
  adapter.paths = request.paths;
  adapter.adapter = folder.value_or("");
  adapter.asked = request.asked;
  for (const std::string& text : set) adapter.settings.push_back(parse_set(text));
  adapter.examples = request.examples;
  adapter.predictions = request.predictions;
  const EvaluateOutcome outcome = folder ? evaluate_adapter(adapter, progress) : evaluate_run(request, progress);
  progress.clear();
  const Json record = to_json(outcome.record);
  if (arguments.json()) {
    const Json json = {{"run", outcome.record.id},
                       {"task", record.at("task")},
                       {"split", outcome.split},
                       {"examples", outcome.examples},
                       {"loss", outcome.loss ? Json(*outcome.loss) : Json()},
                       {"seconds", outcome.seconds},
                       {"metrics", record.at("metrics")},
                       {"illegal_rate", record.at("illegal_rate")},
                       {"labels", record.at("labels")},
                       {"confusion", record.at("confusion")},
                       {"texts", record.at("texts")},
                       {"tasks", record.at("tasks")},
                       {"warnings", outcome.warnings}};
    print_json(json);
    return 0;
  }
  print(fmt::format("{} on {}, {} split, {} examples\n", outcome.record.id, outcome.record.task.name, outcome.split,
                    with_thousands(outcome.examples)));
  TextSheet sheet;
  for (const MetricRecord& m : outcome.record.metrics)
    sheet.add(m.name, format_score(m.value) +
                          fmt::format("  [{}, {}]", format_score(m.interval->low), format_score(m.interval->high)) +
                          (m.majority ? "  against " + constant_text(m, outcome.record.task.majority_label) : ""));
  add_task_scores(sheet, outcome.record.tasks);
  if (outcome.record.illegal_rate)
    sheet.add("illegal", format_percent(*outcome.record.illegal_rate) + " of the answers");
  sheet.add("loss", outcome.loss ? fmt::format("{:.4f} per target token", *outcome.loss)
                                 : "none: the training labels do not map one-to-one to the labels of this task");
  print(sheet.text(terminal_width(1)));
  return 0;
}

}  // namespace peftbench::cli
