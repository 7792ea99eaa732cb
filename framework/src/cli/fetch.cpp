#include "cli/fetch.h"

#include "core/child_process.h"
#include "core/interrupt.h"
#include "core/names.h"
#include "data/task/locate.h"
#include "data/task/task.h"
#include "data/task/task_mixture.h"
#include "data/task/task_spec.h"

#include <peftbench/error.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

namespace peftbench::cli {
namespace {

// A task of this name, listed or in a file; nothing where the name is of something else: a recipe.
std::optional<TaskConfig> task_of(const std::string& name, const Paths& paths) {
  for (const TaskConfig& task : list_tasks(paths.task_folders())) {
    if (task.name == name) return task;
  }
  if (name.ends_with(".yaml") || name.ends_with(".yml")) return read_task_config(name, paths.task_folders());
  return std::nullopt;
}

void add_recipes(const std::string& name, const Paths& paths, std::vector<std::string>& recipes) {
  const auto add = [&](const std::string& recipe) {
    if (std::find(recipes.begin(), recipes.end(), recipe) == recipes.end()) recipes.push_back(recipe);
  };
  const std::optional<TaskConfig> task = task_of(name, paths);
  if (!task) return add(name);
  for (const TaskConfig* part : parts_of(*task)) {
    if (!part->spec->fetch.empty()) {
      add(part->spec->fetch);
    } else if (search_source(*part, paths.data).results.empty()) {
      throw ConfigError({"the data of '" + part->name + "' cannot be downloaded", "a task whose data you must provide",
                         "a task that `peft-bench tasks` marks with 'fetch'", how_to_get(*part)});
    }
  }
}

fs::path program_in(const Paths& paths) { return paths.home / "tools" / "fetch-data"; }

int run_program(std::vector<std::string> words, const Paths& paths) {
  words.insert(words.begin(), program_in(paths).string());
  return run_attached(words, {{"PEFTBENCH_DATA", paths.data.string()}}).status;
}

void require_program(const Paths& paths) {
  if (file_exists(program_in(paths))) return;
  throw UserError({"the program that downloads data is missing", "no " + program_in(paths).string(),
                   "tools/fetch-data next to configs/", "set PEFTBENCH_HOME to the checkout, or install it again"});
}

}  // namespace

int fetch_data(const std::vector<std::string>& names, const Paths& paths) {
  require_program(paths);
  std::vector<std::string> recipes;
  for (const std::string& name : names) add_recipes(name, paths, recipes);
  if (recipes.empty()) return 0;  // all of them are here, brought by the user
  return run_program(recipes, paths);
}

int list_recipes(const Paths& paths) {
  require_program(paths);
  return run_program({"--list"}, paths);
}

Paths fetching(Paths paths) {
  if (!file_exists(program_in(paths))) return paths;
  // Tried once each: a suite asks for the data of every run.
  const auto tried = std::make_shared<std::set<std::string>>();
  paths.fetch = [paths, tried](const std::string& recipe) {
    if (tried->insert(recipe).second && run_program({recipe}, paths) >= 128) throw Interrupted();
  };
  return paths;
}

}  // namespace peftbench::cli
