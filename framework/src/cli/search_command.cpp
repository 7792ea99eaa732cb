#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/run_suite.h"
#include "commands/search_suite.h"
#include "commands/suite.h"
#include "commands/suite_spec.h"
#include "config/settings.h"

#include <utility>

namespace peftbench::cli {

int search_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "search",
      "Trains a method with several values of its space (`peft-bench methods NAME` lists it), chooses the best on\n"
      "validation examples, trains that with other seeds, and scores it on test examples. Trial 1 has the values that\n"
      "the method has without a search. Repeating the command continues it.");
  SearchRequest search;
  SuiteRequest request;
  std::string method, seeds = "1", sampler = "sobol";
  std::vector<std::string> settings;
  SuiteOutput output;
  CLI::App& app = arguments.app();
  app.add_option("--method", method, "a method, or the path of its library")->required()->type_name("NAME");
  app.add_option("--task", search.task, "a task; default: as of `run`")->type_name("NAME");
  app.add_option("--backbone", search.backbone, "a frozen model; default: as of `run`")->type_name("NAME");
  app.add_option("--trials", search.search.trials, "number of trials")->required()->type_name("N");
  app.add_option("--sampler", sampler, "sobol: spread evenly; random: independent")
      ->check(CLI::IsMember(enum_choices<Sampler>()))
      ->capture_default_str();
  app.add_option("--seed", search.search.seed, "random seed of the search; its trials are trained with 1000 + this")
      ->type_name("S")
      ->capture_default_str();
  app.add_option("--halving", search.search.halving,
                 "successive halving: trials begin with fewer steps, and one in N goes on with N times more; 0: off")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--seeds", seeds, "seeds of the final runs: 1,2,3 or 1-5")->type_name("LIST")->capture_default_str();
  app.add_option("--jobs", request.jobs, "concurrent runs, which share the CPU threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--threads", search.threads, "CPU threads of each run; default: the processors, divided by --jobs")
      ->check(CLI::Range(1, 4096))
      ->type_name("N");
  app.add_option("--set", settings,
                 "a setting of all runs, which is then not searched, or a space: "
                 "space.rank.choices=4,8; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--page", output.page, page_flag_help)->type_name("FILE");
  arguments.flag("--dry-run", output.dry, "resolve and list all runs, without training");
  arguments.add_out();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  const MethodWord word = method_word(method);
  Paths paths = arguments.paths();
  paths.plugin_files.insert(paths.plugin_files.begin(), word.libraries.begin(), word.libraries.end());
  request.paths = output.dry ? paths : fetching(paths);
  request.out = arguments.out();
  for (const std::string& text : settings) request.settings.push_back(parse_set(text));
  request.threads = {threads_of_a_run(request.jobs)};
  request.stop = [] { return stop_signal() != 0; };
  search.method = word.name;
  search.seeds = parse_seeds(seeds, "--seeds");
  search.search.sampler = enum_from<Sampler>(sampler).value();
  search.out = request.out;
  request.spec = search_suite(search);
  output.json = arguments.json();
  output.file = text_of_suite(request.spec);
  return resolve_and_run(request, std::move(output));
}

}  // namespace peftbench::cli
