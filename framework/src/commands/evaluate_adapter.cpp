#include "commands/evaluate_adapter.h"

#include "adapters/adapter.h"
#include "adapters/adapter_place.h"
#include "config/machine.h"
#include "core/names.h"
#include "data/task/task_mixture.h"
#include "run/scoring.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::commands {
namespace {

std::vector<Setting> checked(const std::vector<Setting>& settings) {
  for (const Setting& setting : settings) {
    const auto of = [&](const char* section) { return setting.key.starts_with(section); };
    if (of("eval.") || of("task.") || of("backbone.") || of("data.")) continue;
    throw ConfigError({setting.origin + ": only evaluation settings can be set for a trained adapter", setting.key,
                       "a setting of eval, task, backbone or data", "remove it"});
  }
  return settings;
}

ConfigRequest configuration_of(const EvaluateAdapterRequest& request, const Adapter& adapter,
                               const std::string& backbone) {
  ConfigRequest config;
  config.method = adapter.info.method;
  config.method_by = {request.adapter.string(), {}};
  const auto flag = [&](const char* key, const GivenValue& value) { config.flags.push_back({key, value, "eval"}); };
  const std::string task = request.asked.task.empty() ? adapter.info.task : request.asked.task;
  if (task.empty())
    throw ConfigError({"the adapter does not record its task", request.adapter.string(), "--task NAME",
                       "`peft-bench tasks` lists the available tasks"});
  flag(option_key::task, task);
  flag(option_key::backbone, backbone);
  flag(option_key::init_from, "");
  flag(option_key::continue_from, "");
  flag(option_key::eval_tasks, Names{});
  if (!request.asked.split.empty()) flag(option_key::split, request.asked.split);
  if (!request.asked.label_map.empty()) flag(option_key::label_map, Names(request.asked.label_map));
  if (request.asked.threads > 0) flag(option_key::threads, std::to_string(request.asked.threads));
  if (!request.asked.device.empty()) flag(option_key::device, request.asked.device);
  if (request.asked.batch_size > 0) flag(option_key::eval_batch_size, std::to_string(request.asked.batch_size));
  config.settings = checked(request.settings);
  return config;
}

}  // namespace

EvaluateOutcome evaluate_adapter(const EvaluateAdapterRequest& request, ProgressSink& progress) {
  Resources resources(request.paths);
  const PluginFinder& finder = resources.finder();
  const AdapterPlace place{request.adapter, {}, {}};
  const ResolvedBackbone resolved = backbone_of(place, request.backbone, request.paths, BackboneNeed::weights);
  Adapter adapter = read_adapter(request.adapter, finder, resolved.spec, request.method);
  Setup setup =
      set_up(resources, configuration_of(request, adapter, resolved.folder.value().string()), BackboneNeed::weights);
  setup.config.values = adapter.info.values;
  use_machine(setup.config);
  progress.update({"load", 0, 0, "backbone and data"});
  const Workbench bench = open_workbench(resources, std::move(setup), &progress);
  for (const std::string& note : adapter.notes) progress.note("warning: " + note);
  check_backbone(adapter, *bench.backbone, bench.checksum);

  if (const auto& made = adapter.info.made_from) {
    check_same_vocabulary(*made, *bench.tokenizer, "the adapter");
    if (request.asked.task.empty()) check_task(*made, bench.task, "the adapter");
  }
  const TaskShape shape = shape_of(bench.task.config);
  const bool ours = adapter.format.empty();
  if (!ours) adapter.info.shape = shape;  // another program's file says nothing of its task
  const bool others = ours && adapter.info.shape.labels != shape.labels;
  if (!others && !request.asked.label_map.empty())
    throw ConfigError({"--label-map needs an adapter that records its label words",
                       "--label-map " + join(request.asked.label_map),
                       "an adapter trained on another task with label words", "remove --label-map"});
  CompiledPlan plan = plan_of(adapter, finder, bench.backbone->spec());
  plan.place_on(bench.backbone->device());
  std::optional<Elsewhere> elsewhere;
  if (others)
    elsewhere = {{LabelMap(bench.setup.config.options.eval.label_map), adapter.info.shape.labels},
                 parts_of(bench.task)};
  Scoring scoring(bench, plan, elsewhere);
  RunRecord record;
  record.id = request.adapter.string();
  record.method.name = adapter.info.method;
  return score(bench, plan, scoring, std::move(record), {request.examples, request.predictions}, progress);
}

}  // namespace peftbench::commands
