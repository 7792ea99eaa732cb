#include "cli/run_suite.h"

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/page_of.h"
#include "cli/print_power.h"
#include "cli/print_rows.h"
#include "commands/agreement.h"
#include "commands/suite_power.h"
#include "commands/table_statistics.h"
#include "core/first_line.h"
#include "core/json.h"
#include "core/names.h"
#include "core/write_files.h"
#include "ledger/ledger.h"
#include "report/page/render_page.h"
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
  if (!run.cell.message.empty()) return "fails: " + first_line(run.cell.message);
  try {
    const BackboneSpec& spec = resources.backbone(run.config.backbone(), BackboneNeed::sizes).spec;
    const Ledger ledger = plan_ledger(*resources.method(run.cell.method), run.config.values, spec,
                                      task_shape(resources, run.config), run.config.options.train);
    return with_thousands(ledger.total.trained);
  } catch (const Error& error) {  // its run will fail, and be a row
    return "cannot be planned: " + first_line(error.what());
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

Json run_json(const SuiteRun& run) {
  Json json = {{"row", run.cell.row},
               {"task", run.cell.task},
               {"backbone", run.cell.backbone},
               {"seed", run.cell.seed},
               {"run", run.cell.run},
               {"finished", run.finished},
               {"message", run.cell.message},
               {"evaluated_otherwise", run.cell.otherwise},
               {"config", Json(to_json(run.config))}};
  if (run.cell.trial > 0) json.update(Json{{"trial", run.cell.trial}, {"rung", run.cell.rung}});
  if (!run.cell.values.empty()) json["values"] = run.cell.values;
  return json;
}

// Trials that the plan knows, and those that will follow from their scores.
std::int64_t trials_in_all(const SuiteRequest& request, const SuiteSearch& search, std::int64_t steps) {
  SearchSpec spec = *request.spec.search;
  spec.trials = search.trials;
  std::int64_t all = 0;
  for (const Rung& rung : rungs_of(spec, steps)) all += rung.trials;
  return all;
}

// "LoRA on movies, t5: train.learning_rate log 0.0001 … 0.01; rank 4, 8"
std::string search_line(const SuiteSearch& search) {
  std::vector<std::string> parts;
  for (const auto& [name, space] : search.space.items()) {
    const std::string kind = space.begin().key();
    std::vector<std::string> values;
    for (const Json& value : space.begin().value()) values.push_back(json_text(value));
    parts.push_back(name + " " + (kind == "choices" ? join(values) : kind + " " + join(values, " … ")));
  }
  return "  " + search.row + " on " + search.task + ", " + search.backbone + ": " + join(parts, "; ") + "\n";
}

// What would be run: a line for each row on each task and backbone.
void print_dry_run(const SuiteRequest& request, const SuitePlan& plan, const StoredRuns& stored, Resources& resources,
                   bool as_json) {
  const std::vector<SuiteRun>& runs = plan.runs;
  const bool searches = request.spec.search.has_value();
  std::vector<Column> columns = {"row", "task", "backbone"};
  if (searches) columns.push_back(right_column("trials"));
  columns.insert(columns.end(), {right_column("runs"), right_column("finished"), right_column("steps"),
                                 right_column("batch"), "trained"});
  Table table(columns);
  Json json = Json::array();
  for (const SuiteRun& trial : plan.trials)
    if (as_json) json.push_back(run_json(trial));
  const std::size_t seeds = request.spec.seeds.size();
  std::int64_t left = 0, all = static_cast<std::int64_t>(runs.size());
  std::string spaces;
  for (std::size_t first = 0; first < runs.size(); first += seeds) {
    const SuiteRun& run = runs[first];
    std::int64_t finished = 0, fails = 0, trials = 0;
    for (std::size_t i = first; i < first + seeds; ++i) {
      finished += runs[i].finished;
      fails += !runs[i].cell.message.empty();
      if (as_json) json.push_back(run_json(runs[i]));
    }
    for (const SuiteSearch& search : plan.searches) {
      if (!same_row(search, run.cell)) continue;
      trials = trials_in_all(request, search, run.config.options.train.steps);
      spaces += search_line(search);
    }
    std::int64_t trials_left = trials;
    for (const SuiteRun& trial : plan.trials) trials_left -= same_row(trial.cell, run.cell) && trial.finished;
    all += trials;
    left += static_cast<std::int64_t>(seeds) - finished - fails + trials_left;
    const std::string trained = planned(resources, run);
    std::vector<Cell> cells = {run.cell.row, run.cell.task, run.cell.backbone};
    if (searches) cells.push_back(trials == 0 ? Cell() : Cell(std::to_string(trials)));
    cells.insert(cells.end(),
                 {std::to_string(seeds), std::to_string(finished), with_thousands(run.config.options.train.steps),
                  std::to_string(run.config.options.train.batch_size), trained});
    table.add(cells);
  }
  if (as_json) return print_json(json);
  const std::string power = power_text(suite_power(request, runs, stored, resources));
  print(render_text(table, page_width()) + (spaces.empty() ? "" : "\nsearched:\n" + spaces) +
        (power.empty() ? "" : "\n" + power) +
        fmt::format("\n{} of {} runs remain; nothing was trained (--dry-run)\n", left, all));
}

}  // namespace

int resolve_and_run(const SuiteRequest& request, SuiteOutput output) {
  Resources resources(request.paths);
  const StoredRuns before = read_runs(request.out);
  SuitePlan plan = resolve_suite(request, before, resources);
  ConsoleProgress progress;
  for (const std::string& note : evaluation_notes(plan.runs)) progress.note(note);
  if (output.dry) {
    print_dry_run(request, plan, before, resources, output.json);
    return 0;
  }
  if (!output.file.empty()) {
    make_folder(request.spec.file.parent_path());
    write_atomically(request.spec.file, output.file);
  }
  // Before hours of training, not after them.
  if (!output.page.empty()) make_folder(fs::absolute(output.page).parent_path());
  listen_for_stop();
  const SuiteManifest manifest = run_suite(request, std::move(plan), resources, progress);
  progress.clear();
  const StoredRuns stored = read_runs(request.out);
  std::vector<ComparisonRow> rows = compare(manifest, stored);
  output.table.tests = test_tables(rows, stored, {}, progress);
  progress.clear();
  add_standings(rows, output.table.tests);
  if (output.table.columns.has("agreement")) print_warnings(add_agreement(rows, stored));
  print_rows(rows, output.json ? "json" : "text", false, output.table);
  if (!output.page.empty()) {
    write_atomically(output.page, render_page(page_of(std::move(rows), stored, request.paths, output.table)));
    progress.note("page " + output.page);
  }
  const auto failed = std::count_if(manifest.cells.begin(), manifest.cells.end(),
                                    [](const auto& cell) { return !cell.message.empty(); });
  if (failed == 0) return 0;
  progress.note(fmt::format("{} of {} runs failed; their messages are in {}", failed, manifest.cells.size(),
                            suite_folder(request.out, request.spec.name).string()));
  return 1;
}

}  // namespace peftbench::cli
