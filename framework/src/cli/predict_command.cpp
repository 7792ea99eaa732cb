#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/fetch.h"
#include "commands/predict.h"
#include "core/write_files.h"
#include "results/result_store.h"

#include <peftbench/error.h>

#include <string>
#include <vector>

namespace peftbench::cli {

int predict_command(const std::vector<std::string>& words) {
  Arguments arguments("predict",
                      "Answers the rows of a file, or of standard input (-), with the trained method of one or more\n"
                      "finished runs. A row has the fields that the task's input needs; no target is needed. Prints\n"
                      "one JSON object per row, in the order of the input, as soon as a batch is answered.");
  PredictRequest request;
  std::vector<std::string> names;
  std::string predictions;
  CLI::App& app = arguments.app();
  app.add_option("RUN", names, "folders or ids of runs, and last the rows: a CSV, TSV, JSONL or text file, or -")
      ->required()
      ->type_name("");
  app.add_option("--format", request.input.format,
                 "csv, tsv, jsonl, json, parquet, or lines (each line is the only field of the task's input); default: "
                 "by the file's extension (.txt: lines)")
      ->type_name("NAME");
  app.add_option("--task", request.asked.task, "a task other than the run's, such as one of its mixture")
      ->type_name("NAME");
  app.add_option("--examples", request.examples, "answer only the first N rows; 0: all")->check(CLI::NonNegativeNumber);
  arguments.flag("--scores", request.scores, "score the label words also if the run generates its answers");
  arguments.flag("--show-input", request.show_input, "add the text that the model saw");
  app.add_option("--threads", request.asked.threads, "CPU threads; 0: as in the first run");
  app.add_option("--device", request.asked.device, "auto, cpu, cuda or cuda:N; default: as in the first run");
  app.add_option("--batch-size", request.asked.batch_size, "rows per batch; 0: as in the first run")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--predictions", predictions, "write the answers to this file instead, when all are there")
      ->type_name("FILE");
  arguments.add_out();
  arguments.add_paths();
  if (!arguments.parse(words)) return 0;
  if (names.size() < 2)
    throw ConfigError({"`peft-bench predict` needs a run and an input", names.front(), "RUN… FILE, or RUN… -",
                       "add the file with the rows, or - for standard input"});
  request.input.file = names.back();
  names.pop_back();
  request.paths = fetching(arguments.paths());
  for (const std::string& name : names) request.runs.push_back(find_run(name, arguments.out()));
  ConsoleProgress progress;
  if (predictions.empty()) {
    predict(
        request,
        [&](const std::string& lines) {
          progress.clear();
          print_json_lines(lines);
        },
        progress);
  } else {
    write_atomically(predictions, [&](std::ostream& out) {
      predict(
          request, [&](const std::string& lines) { out << lines; }, progress);
    });
  }
  progress.clear();
  return 0;
}

}  // namespace peftbench::cli
