#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/print_rows.h"
#include "commands/suite_lookup.h"
#include "commands/suite_spec.h"
#include "config/settings.h"
#include "core/files.h"
#include "results/comparison.h"
#include "results/search_results.h"
#include "results/stored_runs.h"

#include <peftbench/error.h>

#include <system_error>

namespace peftbench::cli {

int report_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "report",
      "Prints a table of the runs in a folder, from their records: one row per configuration, over its\n"
      "seeds. With --suite: the rows of that file in its current state, including missing ones.");
  std::string folder, suite, seeds, format = "text";
  std::vector<std::string> settings;
  bool by_task = false;
  CLI::App& app = arguments.app();
  app.add_option("RUNS", folder, "the folder of runs")->required()->type_name("");
  CLI::Option* only =
      app.add_option("--suite", suite, "only the rows of this suite, with its row names")->type_name("FILE");
  app.add_option("--seeds", seeds, "seeds of the suite, instead of the file's and the last command's")
      ->type_name("LIST")
      ->needs(only);
  app.add_option("--set", settings, "a setting that the suite was run with; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->needs(only);
  app.add_option("--format", format, "text, markdown, csv, json, latex or html")
      ->check(CLI::IsMember({"text", "markdown", "csv", "json", "latex", "html"}))
      ->capture_default_str();
  arguments.flag("--by-task", by_task,
                 "also the mean over tasks of each method, which latex and html always have; csv and json: only this");
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw DataError({.what = "there is no folder " + folder, .expected = "the folder of --out, default: runs"});
  const StoredRuns stored = read_runs(folder);
  std::vector<ComparisonRow> rows;
  if (suite.empty()) {
    rows = compare(stored);
    if (const std::size_t trials = count_trials(stored))
      ConsoleProgress().note(std::to_string(trials) +
                             (trials == 1 ? " trial of a search is" : " trials of searches are") +
                             " not shown; --suite shows the searches of a suite");
  } else {
    SuiteLookup lookup{arguments.paths(), suite, folder, {}, {}};
    if (!seeds.empty()) lookup.seeds = parse_seeds(seeds, "--seeds");
    for (const std::string& text : settings) lookup.settings.push_back(parse_set(text));
    const FoundSuite found = find_suite(lookup, stored);
    ConsoleProgress progress;
    for (const std::string& note : found.notes) progress.note(note);
    rows = compare(found.manifest, stored);
  }
  if (rows.empty())
    throw DataError({.what = "there are no runs in " + folder,
                     .expected = "folders with a record.json",
                     .remedy = "give the folder of --out"});
  print_rows(rows, arguments.json() ? "json" : format, by_task);
  return 0;
}

}  // namespace peftbench::cli
