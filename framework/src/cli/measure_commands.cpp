#include "adapters/adapter_place.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/fetch.h"
#include "commands/evaluate_adapter.h"
#include "commands/forward.h"
#include "core/names.h"
#include "report/format.h"
#include "report/run_report.h"
#include "report/text_sheet.h"
#include "results/result_store.h"
#include "run/planning.h"
#include "run/workbench.h"

#include <peftbench/error.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace peftbench {

int params_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "params", "Counts the parameters that a method adds to a backbone. Only sizes are needed: no weights are read.");
  arguments.add_method_and_backbone();
  arguments.setting("--task", option_key::task, "use the settings for this task");
  arguments.add_set();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  Resources resources(arguments.paths());
  const Setup setup = set_up(resources, arguments.config(), BackboneNeed::sizes);
  const nlohmann::json ledger = to_json(plan_ledger(*setup.plugin, setup.config.values, setup.backbone.spec,
                                                    task_shape(resources, setup.config), setup.config.options.train));
  const std::int64_t frozen = setup.backbone.spec.parameter_count();
  if (arguments.json()) {
    const Json json = {{"method", setup.plugin->name},
                       {"backbone", setup.backbone.name},
                       {"values", to_json(setup.config.values)},
                       {"backbone_parameters", frozen},
                       {"ledger", ledger}};
    print_json(json);
  } else {
    print(fmt::format("{} on {}\n", setup.plugin->name, setup.backbone.name) +
          describe_ledger(Json(ledger), frozen, terminal_width(1)));
  }
  return 0;
}

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

int forward_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "forward",
      "Runs one forward pass on token ids from files, for comparison with other programs. No vocabulary\nis needed.");
  ForwardRequest request;
  std::string input, labels, output, groups, generate, precision = "float32", quantization = "none";
  std::vector<std::string> adapters;
  CLI::App& app = arguments.app();
  app.add_option("--backbone", request.backbone, "a name listed by `peft-bench backbones`, or a Hugging Face folder")
      ->required()
      ->type_name("DIR");
  app.add_option("--input-ids", input, "JSON: a list of lists of ids")->required()->type_name("FILE");
  app.add_option("--labels", labels, "JSON: the ids to predict, one list per input")->type_name("FILE");
  app.add_option("--output", output, "safetensors file to write: encoder_last_hidden_state, logits, loss")
      ->type_name("FILE");
  app.add_option("--adapter", adapters,
                 "folder of a run or of an adapter (of peft-bench or Hugging Face); may be repeated")
      ->type_name("DIR")
      ->allow_extra_args(false);
  app.add_option("--groups", groups, "JSON: the adapter number of each row, from 0; -1: none")->type_name("FILE");
  arguments.flag("--grad", request.gradient,
                 "also write the gradient of the loss with respect to the input embeddings");
  app.add_option("--precision", precision, "precision of the frozen weights")
      ->check(CLI::IsMember(enum_choices<Precision>()))
      ->capture_default_str();
  app.add_option("--quantization", quantization, "quantization of the blocks' linear maps")
      ->check(CLI::IsMember(enum_choices<Quantization>()))
      ->capture_default_str();
  app.add_option("--generate", generate, "JSON file to write: the generated ids")->type_name("FILE");
  app.add_option("--beams", request.beams, "number of beams of --generate; 1: greedy decoding")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--max-tokens", request.max_tokens, "maximum length of an answer of --generate")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  const auto path = [](const std::string& text) { return text.empty() ? std::nullopt : std::optional<fs::path>(text); };
  request.load = {enum_from<Precision>(precision).value(), enum_from<Quantization>(quantization).value()};
  request.input_ids = input;
  request.labels = path(labels);
  request.output = path(output);
  request.adapters.assign(adapters.begin(), adapters.end());
  request.groups = path(groups);
  request.generate = path(generate);
  const ForwardSummary summary = forward(request, arguments.paths());
  print_warnings(summary.notes);
  if (arguments.json()) {
    print_json(Json{{"sequences", summary.sequences}, {"loss", summary.loss ? Json(*summary.loss) : Json(nullptr)}});
  } else {
    std::string text = fmt::format("{} sequences", summary.sequences);
    if (summary.loss) text += fmt::format(", loss {:.6f}", *summary.loss);
    for (const auto& file : {request.output, request.generate})
      if (file) text += ", wrote " + file->string();
    print(text + "\n");
  }
  return 0;
}

}  // namespace peftbench
