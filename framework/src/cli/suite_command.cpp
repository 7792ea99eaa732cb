#include "cli/arguments.h"
#include "cli/columns_flag.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/fetch.h"
#include "cli/print_power.h"
#include "cli/print_rows.h"
#include "commands/agreement.h"
#include "commands/suite.h"
#include "commands/suite_power.h"
#include "commands/suite_spec.h"
#include "commands/table_statistics.h"
#include "config/settings.h"
#include "core/names.h"
#include "ledger/ledger.h"
#include "report/render.h"
#include "results/comparison.h"
#include "results/stored_runs.h"
#include "results/suite_manifest.h"
#include "run/planning.h"
#include "run/resources.h"
#include "run/workbench.h"

#include <peftbench/error.h>
#include <peftbench/spec.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace peftbench::cli {
namespace {

// Elements that the method of this run would train, from sizes alone.
std::string planned(Resources& resources, const SuiteRun& run) {
  if (!run.cell.message.empty()) return "fails: " + run.cell.message.substr(0, run.cell.message.find('\n'));
  try {
    const BackboneSpec& spec = resources.backbone(run.config.backbone(), BackboneNeed::sizes).spec;
    const Ledger ledger = plan_ledger(*resources.method(run.cell.method), run.config.values, spec,
                                      task_shape(resources, run.config), run.config.options.train);
    return with_thousands(ledger.total.trained);
  } catch (const Error& error) {  // its run will fail, and be a row
    return "cannot be planned: " + std::string(error.what()).substr(0, std::string(error.what()).find('\n'));
  }
}

// Rows that set for themselves how they are scored, each once.
std::vector<std::string> evaluation_notes(const std::vector<SuiteRun>& runs) {
  std::vector<std::string> notes;
  for (const SuiteRun& run : runs) {
    if (run.cell.otherwise.empty()) continue;
    const std::string note = "warning: the row '" + run.cell.row +
                             "' is evaluated differently from the rest of the table: " + join(run.cell.otherwise);
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
  return notes;
}

// What would be run: a line for each row on each task and backbone.
void print_dry_run(const SuiteRequest& request, const std::vector<SuiteRun>& runs, const StoredRuns& stored,
                   Resources& resources, bool as_json) {
  Table table({"row", "task", "backbone", right_column("runs"), right_column("finished"), right_column("steps"),
               right_column("batch"), "trained"});
  Json json = Json::array();
  const std::size_t seeds = request.spec.seeds.size();
  std::int64_t left = 0;
  for (std::size_t first = 0; first < runs.size(); first += seeds) {
    const SuiteRun& run = runs[first];
    std::int64_t finished = 0;
    for (std::size_t i = first; i < first + seeds; ++i) finished += runs[i].finished;
    left += run.cell.run.empty() ? 0 : static_cast<std::int64_t>(seeds) - finished;
    const std::string trained = planned(resources, run);
    table.add({run.cell.row, run.cell.task, run.cell.backbone, std::to_string(seeds), std::to_string(finished),
               with_thousands(run.config.options.train.steps), std::to_string(run.config.options.train.batch_size),
               trained});
    for (std::size_t i = first; as_json && i < first + seeds; ++i)
      json.push_back({{"row", run.cell.row},
                      {"task", run.cell.task},
                      {"backbone", run.cell.backbone},
                      {"seed", runs[i].cell.seed},
                      {"run", runs[i].cell.run},
                      {"finished", runs[i].finished},
                      {"message", runs[i].cell.message},
                      {"evaluated_otherwise", runs[i].cell.otherwise},
                      {"config", Json(to_json(runs[i].config))}});
  }
  if (as_json) return print_json(json);
  const std::string power = power_text(suite_power(request, runs, stored, resources));
  print(render_text(table, page_width()) + (power.empty() ? "" : "\n" + power) +
        fmt::format("\n{} of {} runs remain; nothing was trained (--dry-run)\n", left, runs.size()));
}

}  // namespace

int suite_command(const std::vector<std::string>& words) {
  if (lists_columns(words)) return 0;
  Arguments arguments(
      "suite",
      "Runs a grid of methods, tasks, backbones and seeds, each in its own process, and prints the table.\n"
      "Finished runs are not repeated; a failed run is a row with its error message.");
  SuiteRequest request;
  std::string file, seeds, columns;
  std::vector<std::string> settings;
  bool dry = false;
  CLI::App& app = arguments.app();
  app.add_option("FILE", file, "a YAML file, or a name in configs/suites")->required()->type_name("");
  app.add_option("--jobs", request.jobs, "concurrent runs, which share the CPU threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--seeds", seeds, "override the file's seeds: 1,2,3 or 1-3")->type_name("LIST");
  app.add_option("--set", settings, "override a setting for every run; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--columns", columns, columns_flag_help)->type_name("LIST");
  arguments.flag("--dry-run", dry, "resolve and list all runs, without training");
  arguments.add_out();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  request.paths = dry ? arguments.paths() : fetching(arguments.paths());
  request.spec = read_suite(file, request.paths.configs());
  PageOptions options;
  options.columns = chosen_columns(columns, request.spec.columns, request.spec.columns_place);
  if (!seeds.empty()) request.spec.seeds = request.seeds = parse_seeds(seeds, "--seeds");
  request.threads = {threads_of_a_run(request.jobs)};
  for (const std::string& text : settings) request.settings.push_back(parse_set(text));
  request.out = arguments.out();
  request.stop = [] { return stop_signal() != 0; };
  Resources resources(request.paths);
  const StoredRuns before = read_runs(request.out);
  const std::vector<SuiteRun> runs = resolve_suite(request, before, resources);
  ConsoleProgress progress;
  for (const std::string& note : evaluation_notes(runs)) progress.note(note);
  if (dry) {
    print_dry_run(request, runs, before, resources, arguments.json());
    return 0;
  }
  listen_for_stop();
  const SuiteManifest manifest = run_suite(request, runs, progress);
  progress.clear();
  const StoredRuns stored = read_runs(request.out);
  std::vector<ComparisonRow> rows = compare(manifest, stored);
  options.tests = test_tables(rows, stored, {}, progress);
  progress.clear();
  add_standings(rows, options.tests);
  if (options.columns.has("agreement")) print_warnings(add_agreement(rows, stored));
  print_rows(std::move(rows), arguments.json() ? "json" : "text", false, options);
  const auto failed = std::count_if(manifest.cells.begin(), manifest.cells.end(),
                                    [](const auto& cell) { return !cell.message.empty(); });
  if (failed == 0) return 0;
  progress.note(fmt::format("{} of {} runs failed; their messages are in {}", failed, manifest.cells.size(),
                            suite_folder(request.out, request.spec.name).string()));
  return 1;
}

}  // namespace peftbench::cli
