#include "adapters/exchange.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/fetch.h"
#include "eval/likelihood.h"
#include "plugin/compile_plan.h"
#include "report/run_report.h"
#include "run/planning.h"
#include "run/preview.h"
#include "run/runner.h"

#include <nlohmann/json.hpp>

namespace peftbench::cli {
namespace {

// What would be run, without loading weights.
int dry_run(const Arguments& arguments) {
  Resources resources(arguments.paths());
  const Setup setup = set_up(resources, arguments.config(), BackboneNeed::sizes);
  const TaskShape task = task_shape(resources, setup.config);
  refuse_idle_label_map(setup.config);
  configured_eval_tasks(resources, setup.config);  // a name that is none is told now
  CompiledPlan plan = compile_plan(*setup.plugin, setup.config.values, setup.backbone.spec, task);
  std::vector<std::string> warnings =
      scores_classes(plan) ? std::vector<std::string>{} : check_label_words(resources, setup);
  for (std::string& warning : warnings_before(resources, setup.config, !plan.trained().empty()))
    warnings.push_back(std::move(warning));
  const nlohmann::json ledger =
      to_json(plan_ledger(*setup.plugin, setup.config.values, setup.backbone.spec, task, setup.config.options.train));
  const std::int64_t frozen = setup.backbone.spec.parameter_count();
  const std::vector<std::string> unexportable =
      why_not_exportable(*setup.plugin, setup.config.values, setup.backbone.spec, task);
  if (arguments.json()) {
    print_json(nlohmann::json{{"config", to_json(setup.config)},
                              {"origins", setup.config.origins},
                              {"sites", plan.claimed_sites()},
                              {"backbone_parameters", frozen},
                              {"not_exportable", unexportable},
                              {"ledger", ledger},
                              {"warnings", warnings}});
    return 0;
  }
  std::string text = to_yaml(setup.config, {"resolved configuration, with the sources of non-default values"}, true);
  text += "\nsites claimed by " + setup.plugin->name + ":\n";
  for (const std::string& site : plan.claimed_sites()) text += "  " + site + "\n";
  text += "\nledger:\n" + describe_ledger(Json(ledger), frozen);
  for (const std::string& warning : warnings) text += "\nwarning: " + warning + "\n";
  for (const std::string& reason : unexportable) text += "\nthe trained method cannot be exported as " + reason + "\n";
  print(text + "\nnothing was trained (--dry-run)\n");
  return 0;
}

}  // namespace

int run_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "run",
      "Trains a method on a task, evaluates it and prints the results. Repeating the command continues a\n"
      "stopped run, and prints the results of a finished one.");
  arguments.add_method_and_backbone();
  arguments.setting("--task", option_key::task, "a name listed by `peft-bench tasks`, or a task YAML file");
  arguments.list_setting("--eval-task", option_key::eval_tasks, "another task to evaluate on; may be repeated");
  arguments.list_setting("--label-map", option_key::label_map,
                         "from:to, replaced in answers on other tasks; may be repeated");
  arguments.setting("--seed", option_key::seed, "random seed");
  arguments.setting("--steps", option_key::steps, "optimizer steps");
  arguments.setting("--init-from", option_key::init_from, "initialise from this adapter, run or .safetensors");
  arguments.setting("--continue-from", option_key::continue_from,
                    "continue the training of this run, made on another device, in a run of its own");
  arguments.setting("--threads", option_key::threads,
                    "CPU threads; 0: OMP_NUM_THREADS, else one per available processor");
  arguments.setting("--device", option_key::device, "auto (the first GPU, else the CPU), cpu, cuda or cuda:N");
  arguments.add_set();
  arguments.add_out();
  arguments.add_paths();
  bool dry = false, again = false;
  arguments.flag("--dry-run", dry,
                 "print the resolved configuration, the claimed sites and the parameter counts, without training");
  arguments.flag("--again,--fresh", again, "discard an earlier run of the same configuration");
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  if (dry) return dry_run(arguments);

  listen_for_stop();
  ConsoleProgress progress;
  RunRequest request{fetching(arguments.paths()), arguments.config(), arguments.out(), again,
                     [] { return stop_signal() != 0; }};
  const RunOutcome outcome = run::run(request, progress);
  progress.clear();
  if (outcome.was_finished) progress.note("this run had already finished; --again trains it again");
  if (arguments.json())
    print_json(to_json(outcome.record));
  else
    print(describe_run(outcome.record, outcome.folder.path.string(), terminal_width(1)));
  return 0;
}

}  // namespace peftbench::cli
