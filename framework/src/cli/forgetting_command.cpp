#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/fetch.h"
#include "commands/forgetting.h"
#include "core/names.h"
#include "report/table.h"
#include "report/text_sheet.h"
#include "results/result_store.h"

#include <peftbench/error.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace peftbench::cli {

int forgetting_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "forgetting",
      "Measures how training changes the backbone's loss on text: the loss on the second half of each text,\n"
      "frozen, with a run's trained method, and with the method removed again.");
  ForgettingRequest request;
  std::string name, text;
  bool save = false;
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
  app.add_option("--device", request.device, "auto, cpu, cuda or cuda:N; default: as in the run");
  arguments.flag("--save", save, "write the result into the run's record, for the column `forgetting` of tables");
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
  if (outcome.restored()) {
    if (save) keep_forgetting(request, outcome);
    return 0;
  }
  throw Error({"removing the method did not restore the backbone",
               fmt::format("loss {}, checksum {}", outcome.after, outcome.checksum_after),
               fmt::format("loss {}, checksum {}", outcome.before, outcome.checksum_before),
               "the method " + outcome.method + " changes frozen tensors: report it to its author"});
}

}  // namespace peftbench::cli
