#include "commands/suite.h"

#include "config/machine.h"
#include "data/task/task_mixture.h"
#include "results/evaluation.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <optional>

namespace peftbench::commands {
namespace {

ConfigRequest request_of(const SuiteRequest& suite, const SuiteRow& row, const std::string& task,
                         const std::string& backbone, std::uint64_t seed, std::int64_t threads) {
  ConfigRequest request;
  request.method = row.method;
  request.method_by = {suite.spec.file.string() + ", row '" + row.name + "'", {}};
  const SettingsBlock share{{{option_key::threads, std::to_string(threads), "--jobs"}}, {}};
  request.layers = {share, suite.spec.defaults, row.settings};
  const std::string origin = suite.spec.file.string();
  const fs::path base = fs::absolute(suite.spec.file).parent_path();  // paths in the file are of its folder
  if (!task.empty()) request.flags.push_back({option_key::task, task, origin, base});
  if (!backbone.empty()) request.flags.push_back({option_key::backbone, backbone, origin, base});
  if (!suite.spec.eval_tasks.empty())
    request.flags.push_back({option_key::eval_tasks, Names(suite.spec.eval_tasks), origin, base});
  for (const std::string& other : suite.spec.tasks) request.beside.push_back({option_key::task, other, origin, base});
  for (const std::string& other : suite.spec.backbones)
    request.beside.push_back({option_key::backbone, other, origin, base});
  request.flags.push_back({option_key::seed, std::to_string(seed), origin});
  request.settings = suite.settings;
  return request;
}

// Of the tasks to score on, those that the run is trained on are scored anyway, under whichever name or path.
void leave_out_own(Resources& resources, const TaskConfig& task, RunOptions& options) {
  Names own = {task.name}, others;
  for (const TaskConfig* part : parts_of(task)) own.push_back(part->name);
  for (const std::string& other : options.eval.tasks)
    if (std::count(own.begin(), own.end(), resources.task(other).name) == 0) others.push_back(other);
  if (others.empty() && !options.eval.tasks.empty()) options.eval.label_map.clear();  // nothing to map
  options.eval.tasks = std::move(others);
}

// Why the method can do its task not at all, or not another that it is scored on.
std::optional<Problem> misfit_of_any(Resources& resources, const Setup& setup, const TaskConfig& task) {
  std::optional<Problem> problem = misfit(*setup.plugin, task);
  for (const std::string& other : setup.config.options.eval.tasks)
    if (!problem) problem = misfit(*setup.plugin, resources.task(other));
  return problem;
}

// Where in the suite a run stands, for a fault that a file, a flag or the task itself may have caused.
std::string place_of(const SuiteSpec& suite, const SuiteRow& row, const std::string& task,
                     const std::string& backbone) {
  std::string place = suite.file.string() + ", '" + row.name + "'";
  if (!task.empty()) place += " on " + task;
  if (!backbone.empty()) place += ", " + backbone;
  return place;
}

bool sets_evaluation(const SettingsBlock& block) {
  return std::any_of(block.settings.begin(), block.settings.end(),
                     [](const Setting& setting) { return decides_evaluation(setting.key); }) ||
         std::any_of(block.conditions.begin(), block.conditions.end(),
                     [](const auto& condition) { return sets_evaluation(condition.block); });
}

SettingsBlock without_evaluation(SettingsBlock block) {
  std::erase_if(block.settings, [](const Setting& setting) { return decides_evaluation(setting.key); });
  for (auto& condition : block.conditions) condition.block = without_evaluation(std::move(condition.block));
  return block;
}

// In what a row is scored otherwise than its suite has it; `request` is of the row.
std::vector<std::string> otherwise(Resources& resources, ConfigRequest request, const RunConfig& config) {
  if (!sets_evaluation(request.layers.back())) return {};
  request.layers.back() = without_evaluation(std::move(request.layers.back()));
  const auto evaluation = [](const RunConfig& of) { return evaluation_of(Json(to_json(of))); };
  return differences(evaluation(config), evaluation(set_up(resources, request, BackboneNeed::sizes).config));
}

// Throws ConfigError that names the place in the suite.
SuiteRun resolve_run(const SuiteRequest& request, const SuiteRow& row, const std::string& task,
                     const std::string& backbone, std::uint64_t seed, std::int64_t threads, Resources& resources) {
  try {
    const ConfigRequest settings = request_of(request, row, task, backbone, seed, threads);
    Setup setup = set_up(resources, settings, BackboneNeed::weights);
    const TaskConfig config = configured_task(resources, setup.config);
    leave_out_own(resources, config, setup.config.options);
    refuse_idle_label_map(setup.config);
    SuiteRun run{{row.name, setup.plugin->name, config.name, setup.backbone.name, seed, "", "", {}}, setup.config};
    run.cell.otherwise = otherwise(resources, settings, setup.config);
    if (const auto problem = misfit_of_any(resources, setup, config))
      run.cell.message = ConfigError(*problem).what();
    else
      run.cell.run = expected_run_id(resources, setup);
    return run;
  } catch (const UserError& fault) {
    throw ConfigError(place_of(request.spec, row, task, backbone) + ": " + fault.what());
  }
}

// With the threads of the run that is there, if it is with one of those that runs may have had.
SuiteRun resolve_or_find(const SuiteRequest& request, const SuiteRow& row, const std::string& task,
                         const std::string& backbone, std::uint64_t seed, const StoredRuns& stored,
                         Resources& resources) {
  std::optional<SuiteRun> first;
  for (const std::int64_t threads : request.threads) {
    SuiteRun run = resolve_run(request, row, task, backbone, seed, threads, resources);
    const bool settled = run.cell.run.empty() || run.config.options.train.threads != threads;  // a setting says it
    if (settled || stored.find(run.cell.run)) return run;
    if (!first) first = std::move(run);
  }
  return *first;
}

}  // namespace

std::int64_t threads_of_a_run(std::int64_t jobs) {
  return std::max<std::int64_t>(1, default_threads() / std::max<std::int64_t>(1, jobs));
}

std::vector<SuiteRun> resolve_suite(const SuiteRequest& request, const StoredRuns& stored, Resources& resources) {
  refuse_axes(request.settings, request.spec);
  std::map<std::string, std::string> rows_by_id;
  std::vector<SuiteRun> runs;
  for (const std::string& task : request.spec.tasks)
    for (const std::string& backbone : request.spec.backbones)
      for (const SuiteRow& row : request.spec.rows)
        for (const std::uint64_t seed : request.spec.seeds) {
          SuiteRun run = resolve_or_find(request, row, task, backbone, seed, stored, resources);
          if (!run.cell.run.empty()) {
            run.finished = stored.has_finished(run.cell.run);
            const auto [other, added] = rows_by_id.emplace(run.cell.run, row.name);
            if (!added)
              throw ConfigError({"two rows of the suite are the same run",
                                 "'" + other->second + "' and '" + row.name + "': every setting is equal",
                                 "rows that differ in a setting", "remove one from " + request.spec.file.string()});
          }
          runs.push_back(std::move(run));
        }
  return runs;
}

}  // namespace peftbench::commands
