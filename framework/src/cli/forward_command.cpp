#include "backbone/backbone.h"
#include "backbone/precision.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "commands/forward.h"
#include "core/enum_names.h"
#include "devices/arithmetic.h"
#include "devices/choice.h"
#include "report/table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <optional>

namespace peftbench::cli {

int forward_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "forward",
      "Runs one forward pass on token ids from files, for comparison with other programs. No vocabulary\nis needed.");
  ForwardRequest request;
  std::string input, labels, output, groups, generate, precision = "float32", quantization = "none",
                                                       backend = "reference", device = "auto";
  std::vector<std::string> adapters;
  CLI::App& app = arguments.app();
  app.add_option("--backbone", request.backbone, "a name listed by `peft-bench backbones`, or a Hugging Face folder")
      ->required()
      ->type_name("DIR");
  app.add_option("--input-ids", input, "JSON: a list of lists of ids")->required()->type_name("FILE");
  app.add_option("--labels", labels, "JSON: the ids to predict, one list per input")->type_name("FILE");
  app.add_option("--output", output, "safetensors file to write: encoder_last_hidden_state, logits, loss")
      ->type_name("FILE");
  app.add_option("--adapter", adapters,
                 "folder of a run or of an adapter (of peft-bench or Hugging Face); may be repeated")
      ->type_name("DIR")
      ->allow_extra_args(false);
  app.add_option("--groups", groups, "JSON: the adapter number of each row, from 0; -1: none")->type_name("FILE");
  arguments.flag("--grad", request.gradient,
                 "also write the gradient of the loss with respect to the input embeddings");
  app.add_option("--precision", precision, "precision of the frozen weights")
      ->check(CLI::IsMember(enum_choices<Precision>()))
      ->capture_default_str();
  app.add_option("--quantization", quantization, "quantization of the blocks' linear maps")
      ->check(CLI::IsMember(enum_choices<Quantization>()))
      ->capture_default_str();
  app.add_option("--backend", backend,
                 "what computes the backbone; fast: on the CPU alone; auto: fast there, else reference")
      ->check(CLI::IsMember(enum_choices<BackendChoice>()))
      ->capture_default_str();
  app.add_option("--device", device, "auto (the first GPU, else the CPU), cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--generate", generate, "JSON file to write: the generated ids")->type_name("FILE");
  app.add_option("--beams", request.beams, "number of beams of --generate; 1: greedy decoding")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--max-tokens", request.max_tokens, "maximum length of an answer of --generate")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  const auto path = [](const std::string& text) { return text.empty() ? std::nullopt : std::optional<fs::path>(text); };
  request.load = {enum_from<Precision>(precision).value(), enum_from<Quantization>(quantization).value(),
                  find_device(device, "--device")};
  request.load.backend = resolve(enum_from<BackendChoice>(backend).value(), request.load.device);
  use_arithmetic(request.load.device, {});
  request.input_ids = input;
  request.labels = path(labels);
  request.output = path(output);
  request.adapters.assign(adapters.begin(), adapters.end());
  request.groups = path(groups);
  request.generate = path(generate);
  const ForwardSummary summary = forward(request, arguments.paths());
  print_warnings(summary.notes);
  if (arguments.json()) {
    print_json(Json{{"sequences", summary.sequences}, {"loss", summary.loss ? Json(*summary.loss) : Json(nullptr)}});
  } else {
    std::string text = fmt::format("{} sequences", summary.sequences);
    if (summary.loss) text += fmt::format(", loss {:.6f}", *summary.loss);
    for (const auto& file : {request.output, request.generate})
      if (file) text += ", wrote " + file->string();
    print(text + "\n");
  }
  return 0;
}

}  // namespace peftbench::cli
