#include "cli/fetch.h"

#include "core/names.h"
#include "data/locate.h"
#include "data/task.h"
#include "data/task_mixture.h"
#include "data/task_spec.h"

#include <peftbench/error.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

namespace peftbench {
namespace {

// A task of this name, listed or in a file; nothing where the name is of something else: a recipe.
std::optional<TaskConfig> task_of(const std::string& name, const Places& places) {
  for (const TaskConfig& task : list_tasks(places.task_folders())) {
    if (task.name == name) return task;
  }
  if (name.ends_with(".yaml") || name.ends_with(".yml")) return read_task_config(name, places.task_folders());
  return std::nullopt;
}

void add_recipes(const std::string& name, const Places& places, std::vector<std::string>& recipes) {
  const auto add = [&](const std::string& recipe) {
    if (std::find(recipes.begin(), recipes.end(), recipe) == recipes.end()) recipes.push_back(recipe);
  };
  const std::optional<TaskConfig> task = task_of(name, places);
  if (!task) return add(name);
  for (const TaskConfig* part : parts_of(*task)) {
    if (!part->spec->fetch.empty()) {
      add(part->spec->fetch);
    } else if (search_source(*part, places.data).results.empty()) {
      throw ConfigError({"the data of '" + part->name + "' cannot be downloaded", "a task whose data you must provide",
                         "a task that `peft-bench tasks` marks with 'fetch'", how_to_get(*part)});
    }
  }
}

// Another program with our own input, output and place on the terminal. Its exit status, or 128 + its signal.
int run_here(const fs::path& program, const std::vector<std::string>& words, const std::string& setting) {
  std::vector<std::string> all = {program.string()};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> arguments, environment;
  for (std::string& word : all) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::string own = setting;
  const std::string name = setting.substr(0, setting.find('=') + 1);
  for (char** variable = ::environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with(name)) environment.push_back(*variable);
  }
  environment.push_back(own.data());
  environment.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t usual;  // we ignore these, which the child would inherit
  ::sigemptyset(&usual);
  for (const int number : {SIGPIPE, SIGXFSZ}) ::sigaddset(&usual, number);
  ::posix_spawnattr_setsigdefault(&attributes, &usual);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = -1;
  const int fault = ::posix_spawn(&child, program.c_str(), nullptr, &attributes, arguments.data(), environment.data());
  ::posix_spawnattr_destroy(&attributes);
  if (fault != 0)
    throw Error({program.string() + " cannot be started", std::strerror(fault), "a program that may be executed",
                 "install Python 3.10 or newer (apt-get install python3), or check the file's permissions"});
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int fetch_data(const std::vector<std::string>& names, const Places& places) {
  const fs::path program = places.home / "tools" / "fetch-data";
  if (!file_exists(program)) {
    throw UserError({"the program that downloads data is missing", "no " + program.string(),
                     "tools/fetch-data next to configs/", "set PEFTBENCH_HOME to the checkout, or install it again"});
  }
  std::vector<std::string> recipes;
  for (const std::string& name : names) add_recipes(name, places, recipes);
  if (recipes.empty()) return 0;  // all of them are here, brought by the user
  return run_here(program, recipes, "PEFTBENCH_DATA=" + places.data.string());
}

}  // namespace peftbench
