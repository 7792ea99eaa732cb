#include "cli/arguments.h"
#include "cli/columns_flag.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/page_of.h"
#include "cli/print_rows.h"
#include "commands/agreement.h"
#include "commands/report_page.h"
#include "commands/suite_lookup.h"
#include "commands/suite_spec.h"
#include "commands/table_statistics.h"
#include "config/settings.h"
#include "core/files.h"
#include "report/page/render_page.h"
#include "results/comparison.h"
#include "results/published.h"
#include "results/stored_runs.h"

#include <peftbench/error.h>

#include <fmt/format.h>

#include <system_error>
#include <utility>

namespace peftbench::cli {
namespace {

// The page, or with `folder` the files of its plots.
void print_page(std::vector<ComparisonRow> rows, const StoredRuns& stored, const Paths& paths,
                const PageOptions& options, const std::string& folder) {
  const PageData data = page_of(std::move(rows), stored, paths, options);
  if (folder.empty()) return print_unchanged(render_page(data));
  const std::size_t files = write_figures(data, folder);
  ConsoleProgress().note(std::to_string(files) + " figures in " + folder);
}

}  // namespace

int report_command(const std::vector<std::string>& words) {
  if (lists_columns(words)) return 0;
  Arguments arguments(
      "report",
      "Prints a table of the runs in a folder, from their records: one row per configuration, over its\n"
      "seeds. With --suite: the rows of that file in its current state, including missing ones.");
  std::string folder, suite, seeds, columns, published, figures_folder, format = "text", tested = "auto";
  TableTestRequest tests;
  bool pairs = false;
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
  app.add_option("--tests", tested,
                 fmt::format("tables whose rows are tested for differences: auto (of at most {} rows), all or none",
                             most_tested_rows))
      ->check(CLI::IsMember({"auto", "all", "none"}))
      ->capture_default_str();
  app.add_option("--seed", tests.seed, "random seed of bootstrap and permutation draws")->capture_default_str();
  arguments.flag("--pairs", pairs,
                 "instead of the table, all pairs of rows: difference with interval, p, and p after Holm's adjustment");
  app.add_option("--columns", columns, columns_flag_help)->type_name("LIST");
  app.add_option("--published", published, "a YAML file of published scores, shown below the rows of their tasks")
      ->type_name("FILE");
  app.add_option("--figures", figures_folder, "writes the plots of --format html as SVG files, and no table")
      ->type_name("DIR");
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw DataError({.what = "there is no folder " + folder, .expected = "the folder of --out, default: runs"});
  PageOptions options;
  options.columns = chosen_columns(columns, {}, {});
  if (!published.empty()) options.published = read_published(published);
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
    options.columns = chosen_columns(columns, found.columns, found.columns_place);
  }
  if (rows.empty())
    throw DataError({.what = "there are no runs in " + folder,
                     .expected = "folders with a record.json",
                     .remedy = "give the folder of --out"});
  tests.tables = tested == "none" ? TestedTables::none : tested == "all" ? TestedTables::all : TestedTables::automatic;
  ConsoleProgress progress;
  options.tests = test_tables(rows, stored, tests, progress);
  progress.clear();
  if (pairs) {
    print_pairs(rows, options.tests, arguments.json() ? "json" : format);
    return 0;
  }
  add_standings(rows, options.tests);
  if (options.columns.has("agreement")) print_warnings(add_agreement(rows, stored));
  if (!figures_folder.empty() || (format == "html" && !arguments.json()))
    print_page(std::move(rows), stored, arguments.paths(), options, figures_folder);
  else
    print_rows(rows, arguments.json() ? "json" : format, by_task, options);
  return 0;
}

}  // namespace peftbench::cli
