#include "adapters/exchange.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "commands/export_record.h"
#include "core/names.h"
#include "report/table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace peftbench::cli {

int export_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "export",
      "Writes a trained method in another program's format: huggingface (PEFT), google (a .npy prompt),\n"
      "others that its plugin supports, or merged: a complete Hugging Face model with changed weights. A\n"
      "card, README.md, is written beside it. Also writes a run's results for other programs: eee (a file of\n"
      "Every Eval Ever) and tensorboard (a folder with an event file).");
  ExportRequest request;
  std::string directory;
  CLI::App& app = arguments.app();
  app.add_option("RUN", request.adapter, "a run's folder or id, or an adapter's folder")->required()->type_name("");
  app.add_option("DIR", directory, "the folder to write; with eee a file")->required()->type_name("");
  app.add_option("--format", request.format, "huggingface, google, …, merged, eee or tensorboard")
      ->required()
      ->type_name("NAME");
  app.add_option("--backbone", request.backbone, "if the adapter's own backbone is not found")->type_name("NAME");
  arguments.add_out();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  if (is_record_format(request.format)) {
    const fs::path file = export_record({request.adapter, arguments.out(), request.format, directory});
    if (arguments.json())
      print_json(Json{{"format", request.format}, {"file", file.string()}});
    else
      print("wrote " + file.string() + "\n");
    return 0;
  }
  request.paths = arguments.paths();
  request.runs = arguments.out();
  request.out = directory;
  const ExportOutcome outcome = export_adapter(request);
  print_warnings(outcome.notes);
  if (arguments.json()) {
    print_json(Json{{"method", outcome.method},
                    {"format", outcome.format},
                    {"file", outcome.file.string()},
                    {"tensors", outcome.tensors},
                    {"elements", outcome.elements}});
  } else {
    print(fmt::format("{} as {}: {} numbers in {} tensors, wrote {}\n", outcome.method, outcome.format,
                      with_thousands(outcome.elements), outcome.tensors, outcome.file.string()));
  }
  return 0;
}

}  // namespace peftbench::cli
