#include "commands/suite.h"

#include "config/machine.h"
#include "data/task/task_mixture.h"
#include "plugin/compile_plan.h"
#include "plugin/schema.h"
#include "results/evaluation.h"
#include "results/search_results.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <optional>

namespace peftbench::commands {
namespace {

// A place of the grid: what all runs of a row on a task and backbone have.
struct Place {
  const SuiteRequest& suite;
  const StoredRuns& stored;
  Resources& resources;
  const SuiteRow& row;
  const std::string& task;
  const std::string& backbone;
};

// `more`: of a search, over everything else.
ConfigRequest request_of(const Place& place, std::uint64_t seed, const std::vector<Setting>& more,
                         std::int64_t threads) {
  const auto& [suite, stored, resources, row, task, backbone] = place;
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
  request.settings.insert(request.settings.end(), more.begin(), more.end());
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
SuiteRun resolve_run(const Place& place, std::uint64_t seed, const std::vector<Setting>& more, std::int64_t threads) {
  const auto& [request, stored, resources, row, task, backbone] = place;
  try {
    const ConfigRequest settings = request_of(place, seed, more, threads);
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
SuiteRun resolve_or_find(const Place& place, std::uint64_t seed, const std::vector<Setting>& more = {}) {
  std::optional<SuiteRun> first;
  for (const std::int64_t threads : place.suite.threads) {
    SuiteRun run = resolve_run(place, seed, more, threads);
    const bool settled = run.cell.run.empty() || run.config.options.train.threads != threads;  // a setting says it
    if (settled || place.stored.find(run.cell.run)) {
      run.finished = place.stored.has_finished(run.cell.run);
      return run;
    }
    if (!first) first = std::move(run);
  }
  return *first;
}

bool trains_nothing(Resources& resources, const SuiteRun& run) {
  try {
    const BackboneSpec& spec = resources.backbone(run.config.backbone(), BackboneNeed::sizes).spec;
    const TaskShape task = task_shape(resources, run.config);
    return compile_plan(*resources.method(run.cell.method), run.config.values, spec, task).trained().empty();
  } catch (const Error&) {  // its run will fail, and be a row
    return false;
  }
}

// What is searched of this row; `base` is its configuration.
SearchSpace searched(const SuiteRequest& request, Resources& resources, const SuiteRun& base) {
  if (!request.spec.search || base.cell.run.empty()) return {};
  SearchSpace space = base.config.space;
  if (trains_nothing(resources, base))
    std::erase_if(space, [](const SearchDimension& d) { return d.name.starts_with("train."); });
  const auto is_steps = [](const SearchDimension& d) { return d.name == option_key::steps; };
  const auto steps = std::find_if(space.begin(), space.end(), is_steps);
  if (request.spec.search->halving > 0 && steps != space.end())
    throw ConfigError({.what = steps->origin + ": successive halving decides train.steps of the trials itself",
                       .found = "a space of train.steps",
                       .remedy = "remove the space, or 'halving'"});
  return space;
}

// The values that a run has of what is searched.
Json values_of(const SearchSpace& space, const RunConfig& config) {
  const nlohmann::json parameters = plugin::to_json(config.values), options = config::to_json(config.options);
  Json values = Json::object();
  for (const SearchDimension& dimension : space)
    values[dimension.name] = Json((parameters.contains(dimension.name) ? parameters : options).at(dimension.name));
  return values;
}

// The trials of a place, rung after rung as far as they are settled.
class PlannedSearch {
 public:
  PlannedSearch(const Place& place, const SuiteRun& base, SearchSpace space)
      : place_(place), spec_(*place.suite.spec.search), space_(std::move(space)) {
    search_ = {
        base.cell.row, base.cell.method, base.cell.task, base.cell.backbone,     std::string(enum_name(spec_.sampler)),
        spec_.seed,    spec_.trials,     spec_.halving,  config::to_json(space_)};
    steps_ = base.config.options.train.steps;
  }

  void plan(std::vector<SuiteRun>& trials) {
    const std::vector<Rung> rungs = rungs_of(spec_, steps_);
    std::vector<std::int64_t> numbers;
    for (std::int64_t number = 1; number <= spec_.trials; ++number) numbers.push_back(number);
    for (std::size_t r = 0; r < rungs.size(); ++r) {
      const bool last = r + 1 == rungs.size();
      std::vector<std::optional<double>> scores;
      bool settled = true;
      for (const std::int64_t number : numbers) {
        SuiteRun trial = resolve_trial(number, static_cast<std::int64_t>(r), rungs.size() > 1, rungs[r].steps);
        settled = settled && trial.finished;
        const StoredRun* run = trial.finished ? place_.stored.find(trial.cell.run) : nullptr;
        scores.push_back(run ? trial_score(run->record()) : std::nullopt);
        trials.push_back(std::move(trial));
      }
      if (!settled) return;
      const std::vector<std::size_t> best = best_trials(scores, last ? 1 : rungs[r + 1].trials);
      if (best.empty()) {
        message_ = "no trial of the search has a score on validation examples";
        return;
      }
      std::vector<std::int64_t> kept;
      for (const std::size_t place : best) kept.push_back(numbers[place]);
      std::sort(kept.begin(), kept.end());
      numbers = std::move(kept);
    }
    search_.chosen = numbers.front();
  }

  // A final run, with the chosen values; without an id while there are none.
  SuiteRun resolve_final(std::uint64_t seed) const {
    if (search_.chosen == 0) {
      SuiteRun run = resolve_or_find(place_, seed);
      run.cell.run.clear();
      run.cell.message = message_;
      run.finished = false;
      return run;
    }
    SuiteRun run = resolve_or_find(place_, seed, trial_settings(space_, spec_.sampler, spec_.seed, search_.chosen));
    run.cell.values = values_of(space_, run.config);
    return run;
  }

  const SuiteSearch& search() const { return search_; }

 private:
  SuiteRun resolve_trial(std::int64_t number, std::int64_t rung, bool sets_steps, std::int64_t steps) const {
    std::vector<Setting> settings = trial_settings(space_, spec_.sampler, spec_.seed, number);
    for (Setting& setting : settings_of_trial(spec_, number)) settings.push_back(std::move(setting));
    if (sets_steps) settings.push_back({option_key::steps, std::to_string(steps), "successive halving"});
    SuiteRun run = resolve_or_find(place_, spec_.training_seed(), settings);
    run.cell.trial = number;
    run.cell.rung = rung;
    run.cell.values = values_of(space_, run.config);
    const StoredRun* stored = place_.stored.find(run.cell.run);
    if (stored && stored->status == "failed" && is_settled(stored->record())) {
      run.finished = true;
      run.cell.message = stored->record().message;
    }
    return run;
  }

  const Place& place_;
  const SearchSpec spec_;
  SearchSpace space_;
  SuiteSearch search_;
  std::int64_t steps_ = 0;
  std::string message_;
};

}  // namespace

std::int64_t threads_of_a_run(std::int64_t jobs) {
  return std::max<std::int64_t>(1, default_threads() / std::max<std::int64_t>(1, jobs));
}

SuitePlan resolve_suite(const SuiteRequest& request, const StoredRuns& stored, Resources& resources) {
  refuse_axes(request.settings, request.spec);
  if (request.spec.search) check_search(*request.spec.search, request.spec.seeds, request.spec.file.string());
  std::map<std::string, std::string> rows_by_id;
  const auto refuse_twice = [&](const std::string& id, const std::string& row) {
    const auto [other, added] = rows_by_id.emplace(id, row);
    if (!added)
      throw ConfigError({"two rows of the suite are the same run",
                         "'" + other->second + "' and '" + row + "': every setting is equal",
                         "rows that differ in a setting", "remove one from " + request.spec.file.string()});
  };
  SuitePlan plan;
  for (const std::string& task : request.spec.tasks)
    for (const std::string& backbone : request.spec.backbones)
      for (const SuiteRow& row : request.spec.rows) {
        const Place place{request, stored, resources, row, task, backbone};
        const SuiteRun base = resolve_or_find(place, request.spec.seeds.front());
        SearchSpace space = searched(request, resources, base);
        if (space.empty()) {
          for (const std::uint64_t seed : request.spec.seeds) {
            plan.runs.push_back(resolve_or_find(place, seed));
            if (const std::string& id = plan.runs.back().cell.run; !id.empty()) refuse_twice(id, row.name);
          }
          continue;
        }
        refuse_twice(base.cell.run + config::to_json(space).dump(), row.name);
        PlannedSearch search(place, base, std::move(space));
        search.plan(plan.trials);
        for (const std::uint64_t seed : request.spec.seeds) plan.runs.push_back(search.resolve_final(seed));
        plan.searches.push_back(search.search());
      }
  return plan;
}

}  // namespace peftbench::commands
