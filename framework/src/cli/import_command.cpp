#include "adapters/exchange.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "core/names.h"
#include "plugin/schema.h"
#include "report/render.h"

#include <peftbench/tensor.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdint>

namespace peftbench::cli {
namespace {

std::string shape_text(const Tensor& tensor) {
  std::vector<std::string> sizes;
  for (const int64_t size : tensor.sizes()) sizes.push_back(std::to_string(size));
  return join(sizes, " × ");
}

// Parameters that are not as the method's schema has them.
std::vector<std::string> given_values_of(const ImportOutcome& outcome) {
  std::vector<std::string> given;
  for (const ParameterSchema& parameter : outcome.plugin->schema.parameters()) {
    const Value& value = outcome.info.values.all().at(parameter.name);
    if (value != parameter.standard) given.push_back(parameter.name + "=" + to_text(value));
  }
  return given;
}

}  // namespace

int import_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "import",
      "Inspects an adapter of another program, and converts it to peft-bench's format: Hugging Face PEFT\n"
      "folders and .npy prompts. `forward --adapter` and `--init-from` also read them directly.");
  ImportRequest request;
  std::string adapter, out;
  CLI::App& app = arguments.app();
  app.add_option("DIR", adapter, "a folder with adapter_config.json, or a .npy")->required()->type_name("");
  app.add_option("--backbone", request.backbone, "a name listed by `peft-bench backbones`, or a Hugging Face folder")
      ->required()
      ->type_name("NAME");
  app.add_option("--method", request.method, "if several methods support the adapter")->type_name("NAME");
  app.add_option("--out", out, "folder of the converted adapter; without it, nothing is written")->type_name("DIR");
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  request.paths = arguments.paths();
  request.adapter = adapter;
  if (!out.empty()) request.out = out;
  const ImportOutcome outcome = import_adapter(request);
  print_warnings(outcome.notes);
  if (arguments.json()) {
    Json tensors = Json::object();
    for (const auto& [name, tensor] : outcome.tensors) tensors[name] = tensor.sizes().vec();
    print_json(Json{{"method", outcome.info.method},
                    {"format", outcome.format},
                    {"backbone", outcome.info.backbone},
                    {"values", to_json(outcome.info.values)},
                    {"tensors", tensors},
                    {"folder", out.empty() ? Json(nullptr) : Json(out)}});
    return 0;
  }
  std::int64_t elements = 0;
  Table table({"tensor", right_column("shape")});
  for (const auto& [name, tensor] : outcome.tensors) {
    elements += tensor.numel();
    table.add({name, shape_text(tensor)});
  }
  const std::vector<std::string> given = given_values_of(outcome);
  print(fmt::format("{}, read from {} format, for {}\nparameters: {}\n{} numbers in {} tensors\n\n{}\n{}\n",
                    outcome.info.method, outcome.format, outcome.info.backbone,
                    given.empty() ? "all defaults" : join(given), with_thousands(elements), outcome.tensors.size(),
                    render_text(table, terminal_width(1)),
                    out.empty() ? "nothing was written; --out DIR writes the adapter" : "wrote " + out));
  return 0;
}

}  // namespace peftbench::cli
