#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/fetch.h"
#include "commands/forgetting.h"
#include "commands/suite.h"
#include "commands/suite_lookup.h"
#include "core/names.h"
#include "report/comparison_report.h"
#include "report/format.h"
#include "report/render.h"
#include "report/text_sheet.h"
#include "results/benchmark.h"
#include "results/comparison.h"
#include "run/planning.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace peftbench {
namespace {

// What fits a page where there is no terminal.
std::size_t page_width() {
  const std::size_t width = terminal_width(1);
  return width ? width : 120;
}

void print_rows(std::vector<ComparisonRow> rows, const std::string& format) {
  for (ComparisonRow& mean : benchmark_rows(rows)) rows.push_back(std::move(mean));
  if (format == "json")
    print_json(comparison_json(rows));
  else if (format == "markdown")
    print(comparison_markdown(rows));
  else if (format == "csv")
    print(comparison_csv(rows));
  else
    print(comparison_text(rows, page_width()));
}

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
void print_dry_run(const SuiteRequest& request, const std::vector<SuiteRun>& runs, Resources& resources, bool as_json) {
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
  if (as_json)
    print_json(json);
  else
    print(render_text(table, page_width()) +
          fmt::format("\n{} of {} runs remain; nothing was trained (--dry-run)\n", left, runs.size()));
}

}  // namespace

int suite_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "suite",
      "Runs a grid of methods, tasks, backbones and seeds, each in its own process, and prints the table.\n"
      "Finished runs are not repeated; a failed run is a row with its error message.");
  SuiteRequest request;
  std::string file, seeds;
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
  arguments.flag("--dry-run", dry, "resolve and list all runs, without training");
  arguments.add_out();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  request.paths = dry ? arguments.paths() : fetching(arguments.paths());
  request.spec = read_suite(file, request.paths.configs());
  if (!seeds.empty()) request.spec.seeds = request.seeds = parse_seeds(seeds, "--seeds");
  request.threads = {threads_of_a_run(request.jobs)};
  for (const std::string& text : settings) request.settings.push_back(parse_set(text));
  request.out = arguments.out();
  request.stop = [] { return stop_signal() != 0; };
  Resources resources(request.paths);
  const std::vector<SuiteRun> runs = resolve_suite(request, read_runs(request.out), resources);
  ConsoleProgress progress;
  for (const std::string& note : evaluation_notes(runs)) progress.note(note);
  if (dry) {
    print_dry_run(request, runs, resources, arguments.json());
    return 0;
  }
  listen_for_stop();
  const SuiteManifest manifest = run_suite(request, runs, progress);
  progress.clear();
  print_rows(compare(manifest, read_runs(request.out)), arguments.json() ? "json" : "text");
  const auto failed = std::count_if(manifest.cells.begin(), manifest.cells.end(),
                                    [](const auto& cell) { return !cell.message.empty(); });
  if (failed == 0) return 0;
  progress.note(fmt::format("{} of {} runs failed; their messages are in {}", failed, manifest.cells.size(),
                            suite_folder(request.out, request.spec.name).string()));
  return 1;
}

int report_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "report",
      "Prints a table of the runs in a folder, from their records: one row per configuration, over its\n"
      "seeds. With --suite: the rows of that file in its current state, including missing ones.");
  std::string folder, suite, seeds, format = "text";
  std::vector<std::string> settings;
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
  app.add_option("--format", format, "text, markdown or csv")
      ->check(CLI::IsMember({"text", "markdown", "csv"}))
      ->capture_default_str();
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
  print_rows(rows, arguments.json() ? "json" : format);
  return 0;
}

int forgetting_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "forgetting",
      "Measures how training changes the backbone's loss on text: the loss on the second half of each text,\n"
      "frozen, with a run's trained method, and with the method removed again.");
  ForgettingRequest request;
  std::string name, text;
  CLI::App& app = arguments.app();
  app.add_option("RUN", name, "a run's folder or id")->required()->type_name("");
  app.add_option("--text", text, "one text per line; default: the inputs of a task's test split")->type_name("FILE");
  app.add_option("--task", request.task, "task for the inputs; default: the run's")
      ->type_name("NAME")
      ->excludes("--text");
  app.add_option("--examples", request.examples, "use only the first N texts; 0: all")->check(CLI::NonNegativeNumber);
  app.add_option("--tokens", request.max_tokens, "split longer texts into pieces of N tokens")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  app.add_option("--threads", request.threads, "CPU threads; 0: as in the run");
  arguments.add_out();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  request.paths = fetching(arguments.paths());
  request.run = find_run(name, arguments.out());
  if (!text.empty()) request.text = text;
  ConsoleProgress progress;
  const ForgettingOutcome outcome = measure_forgetting(request, progress);
  progress.clear();
  if (arguments.json()) {
    print_json(Json{{"run", outcome.run},
                    {"method", outcome.method},
                    {"source", outcome.source},
                    {"pieces", outcome.pieces},
                    {"tokens", outcome.tokens},
                    {"loss_before", outcome.before},
                    {"loss_with_method", outcome.with_method ? Json(*outcome.with_method) : Json(nullptr)},
                    {"loss_after", outcome.after},
                    {"checksum_before", outcome.checksum_before},
                    {"checksum_after", outcome.checksum_after},
                    {"restored", outcome.restored()}});
  } else {
    TextSheet sheet;
    sheet.add("run", outcome.run);
    sheet.add("text", fmt::format("{}: {} pieces, {} tokens predicted", outcome.source, with_thousands(outcome.pieces),
                                  with_thousands(outcome.tokens)));
    sheet.add("frozen", fmt::format("{:.6f} nats per token", outcome.before));
    sheet.add("with method", outcome.with_method ? fmt::format("{:.6f}  ({:+.6f})", *outcome.with_method,
                                                               *outcome.with_method - outcome.before)
                                                 : "none: its head scores classes, not words");
    sheet.add("removed", fmt::format("{:.6f}  ({})", outcome.after,
                                     outcome.restored() ? "bit-identical, with the same checksum" : "CHANGED"));
    print(sheet.text(terminal_width(1)));
  }
  if (outcome.restored()) return 0;
  throw Error({"removing the method did not restore the backbone",
               fmt::format("loss {}, checksum {}", outcome.after, outcome.checksum_after),
               fmt::format("loss {}, checksum {}", outcome.before, outcome.checksum_before),
               "the method " + outcome.method + " changes frozen tensors: report it to its author"});
}

}  // namespace peftbench
