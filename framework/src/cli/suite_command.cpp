#include "cli/arguments.h"
#include "cli/columns_flag.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/run_suite.h"
#include "commands/suite.h"
#include "commands/suite_spec.h"
#include "config/settings.h"

#include <utility>

namespace peftbench::cli {

int suite_command(const std::vector<std::string>& words) {
  if (lists_columns(words)) return 0;
  Arguments arguments(
      "suite",
      "Runs a grid of methods, tasks, backbones and seeds, each in its own process, and prints the table.\n"
      "Finished runs are not repeated; a failed run is a row with its error message.");
  SuiteRequest request;
  std::string file, seeds, columns;
  std::vector<std::string> settings;
  SuiteOutput output;
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
  app.add_option("--page", output.page, page_flag_help)->type_name("FILE");
  arguments.flag("--dry-run", output.dry, "resolve and list all runs, without training");
  arguments.add_out();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  request.paths = output.dry ? arguments.paths() : fetching(arguments.paths());
  request.spec = read_suite(file, request.paths.configs());
  output.table.columns = chosen_columns(columns, request.spec.columns, request.spec.columns_place);
  if (!seeds.empty()) request.spec.seeds = request.seeds = parse_seeds(seeds, "--seeds");
  request.threads = {threads_of_a_run(request.jobs)};
  for (const std::string& text : settings) request.settings.push_back(parse_set(text));
  request.out = arguments.out();
  request.stop = [] { return stop_signal() != 0; };
  output.json = arguments.json();
  return resolve_and_run(request, std::move(output));
}

}  // namespace peftbench::cli
