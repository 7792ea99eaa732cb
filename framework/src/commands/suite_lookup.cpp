#include "commands/suite_lookup.h"

#include "config/machine.h"
#include "core/names.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::commands {
namespace {

void add_once(std::vector<std::int64_t>& items, std::int64_t item) {
  if (std::find(items.begin(), items.end(), item) == items.end()) items.push_back(item);
}

std::vector<std::string> texts_of(const std::vector<Setting>& settings) {
  std::vector<std::string> texts;
  for (const Setting& setting : settings) texts.push_back(text_of(setting));
  return texts;
}

std::string whole_path(const fs::path& file) { return fs::absolute(file).lexically_normal().string(); }

// The file by its path or name; else the one that a suite of this name was run from.
std::string file_of(const SuiteLookup& lookup, const std::optional<SuiteManifest>& earlier,
                    std::vector<std::string>& notes) {
  const fs::path named = lookup.paths.configs() / "suites" / (lookup.suite + ".yaml");
  if (file_exists(lookup.suite) || file_exists(named) || !earlier || earlier->commands.empty()) return lookup.suite;
  const std::string& file = earlier->commands.back().file;
  if (!file_exists(file))
    throw ConfigError({"the file of the suite '" + lookup.suite + "' is missing", file, "the YAML file of the suite",
                       "give its new path, or run `peft-bench report " + lookup.out.string() +
                           "` without --suite for all runs in the folder"});
  notes.push_back("the suite's rows are those of " + file);
  return file;
}

}  // namespace

FoundSuite find_suite(const SuiteLookup& lookup, const StoredRuns& stored) {
  FoundSuite found;
  std::optional<SuiteManifest> earlier = find_manifest(lookup.out, fs::path(lookup.suite).stem().string());
  SuiteRequest request;
  request.paths = lookup.paths;
  request.out = lookup.out;
  request.spec = read_suite(file_of(lookup, earlier, found.notes), lookup.paths.configs());
  if (!earlier) earlier = SuiteManifest{request.spec.name};
  // Another file may have had this name.
  std::erase_if(earlier->commands, [&](const auto& command) { return command.file != whole_path(request.spec.file); });

  request.settings = lookup.settings;
  if (request.settings.empty() && !earlier->commands.empty() && !earlier->commands.back().settings.empty()) {
    for (const std::string& text : earlier->commands.back().settings) request.settings.push_back(parse_set(text));
    found.notes.push_back("with the settings of the last suite command: --set " +
                          join(earlier->commands.back().settings, " --set "));
  }
  const std::vector<std::string> settings = texts_of(request.settings);
  std::erase_if(earlier->commands, [&](const auto& command) { return command.settings != settings; });

  request.threads.clear();
  for (auto command = earlier->commands.rbegin(); command != earlier->commands.rend(); ++command)
    if (command->threads > 0) add_once(request.threads, command->threads);
  for (std::int64_t jobs = 1; jobs <= default_threads(); ++jobs) add_once(request.threads, threads_of_a_run(jobs));

  std::vector<std::uint64_t>& seeds = request.spec.seeds;
  if (!lookup.seeds.empty()) {
    seeds = lookup.seeds;
  } else {
    for (const SuiteCommand& command : earlier->commands)
      for (const std::uint64_t seed : command.seeds)
        if (std::find(seeds.begin(), seeds.end(), seed) == seeds.end()) seeds.push_back(seed);
  }

  found.columns = request.spec.columns;
  found.columns_place = request.spec.columns_place;
  found.manifest.name = request.spec.name;
  Resources resources(request.paths);
  const SuitePlan plan = resolve_suite(request, stored, resources);
  for (const SuiteRun& run : plan.runs) found.manifest.cells.push_back(run.cell);
  for (const SuiteRun& run : plan.trials) found.manifest.trials.push_back(run.cell);
  found.manifest.searches = plan.searches;
  for (SuiteCell& cell : found.manifest.cells) {
    for (const SuiteCell& known : earlier->cells) {
      const bool open = known.run.empty() && cell.run.empty() && cell.message.empty() && same_row(known, cell);
      if (open || (!cell.run.empty() && known.run == cell.run)) cell.message = known.message;
    }
  }
  for (SuiteCell& trial : found.manifest.trials)
    for (const SuiteCell& known : earlier->trials)
      if (trial.message.empty() && known.run == trial.run) trial.message = known.message;
  return found;
}

}  // namespace peftbench::commands
