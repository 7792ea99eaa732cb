#include "backbone/weights_kind.h"

#include "architectures/architecture.h"
#include "core/json.h"
#include "core/utf8.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

namespace peftbench::backbone {
namespace {

constexpr std::string_view wrappers[] = {"model",       "module", "_orig_mod", "t5",
                                         "transformer", "net",    "network",   "backbone"};
// What is beside the matrices of a quantised model.
constexpr std::string_view quantized_suffixes[] = {".SCB",    ".absmax", ".quant_map", ".weight_format", ".qweight",
                                                   ".qzeros", ".scales", ".g_idx",     ".nested_absmax"};

// "module.model." → true where each part is the name of a wrapper.
bool is_known(std::string_view prefix) {
  while (!prefix.empty()) {
    const std::size_t dot = prefix.find('.');
    if (std::find(std::begin(wrappers), std::end(wrappers), prefix.substr(0, dot)) == std::end(wrappers)) return false;
    prefix.remove_prefix(dot + 1);
  }
  return true;
}

// By which a model is known: the first query map of an architecture.
std::string first_map_of(const Architecture& architecture) {
  return tensor_name(architecture, {TensorKind::linear, Stack::encoder, 0, Sublayer::self, "q"});
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

void strip_wrappers(TensorMap& tensors, const std::string& origin) {
  std::string first_map;
  auto wrapped = tensors.end();
  for (const Architecture* architecture : all_architectures()) {
    first_map = first_map_of(*architecture);
    if (tensors.contains(first_map)) return;
    wrapped = std::find_if(tensors.begin(), tensors.end(),
                           [&](const auto& entry) { return entry.first.ends_with("." + first_map); });
    if (wrapped != tensors.end()) break;
  }
  if (wrapped == tensors.end()) return;
  const std::string prefix = wrapped->first.substr(0, wrapped->first.size() - first_map.size());
  if (!is_known(prefix)) {
    throw CheckpointError(Problem{"the tensor names in " + origin + " begin with '" + printable(prefix) + "'",
                                  printable(wrapped->first, 120), first_map,
                                  "save the inner model with save_pretrained, or remove the prefix from the names"});
  }
  TensorMap plain;
  for (auto& [name, tensor] : tensors) {
    const std::string own = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
    if (!plain.emplace(own, tensor).second) plain.emplace(name, tensor);  // told as surplus
  }
  tensors = std::move(plain);
}

std::optional<Problem> other_kind(const BackboneSpec& spec, const TensorMap& tensors, const std::string& origin) {
  if (tensors.empty())
    return Problem{origin + " contains no tensors", "an empty file", "the weights of a T5", "download the model again"};
  std::vector<std::string> empty, quantized, adapters;
  const std::vector<TensorEntry> entries = spec.tensors();
  const bool decoder = std::any_of(entries.begin(), entries.end(), [&](const TensorEntry& entry) {
    return entry.role.stack == Stack::decoder && tensors.contains(entry.name);
  });
  for (const auto& [name, tensor] : tensors) {
    if (tensor.numel() == 0) empty.push_back(printable(name));
    if (contains(name, ".lora_") || contains(name, ".base_layer.") || contains(name, ".modules_to_save."))
      adapters.push_back(printable(name));
    if (std::any_of(std::begin(quantized_suffixes), std::end(quantized_suffixes),
                    [&](std::string_view suffix) { return name.ends_with(suffix); }) ||
        contains(name, ".quant_state."))
      quantized.push_back(printable(name));
  }
  const auto some = [](const std::vector<std::string>& names) {
    return names.front() + (names.size() > 1 ? " and " + std::to_string(names.size() - 1) + " more" : "");
  };
  if (!adapters.empty())
    return Problem{origin + " contains a model with an adapter", some(adapters), "a T5 without an adapter",
                   "merge it (merge_and_unload of peft) and save the model, or save only the adapter and use "
                   "peft-bench import"};
  if (!quantized.empty()) return quantized_weights(origin, some(quantized));
  if (!empty.empty())
    return Problem{origin + " contains empty tensors", some(empty),
                   "complete weights; DeepSpeed ZeRO-3 saves empty tensors if the shards are not gathered",
                   "run zero_to_fp32.py of the checkpoint's folder, or save with "
                   "stage3_gather_16bit_weights_on_model_save"};
  if (!decoder && spec.decoder_layers > 0 && tensors.contains(first_map_of(architecture_named(spec.architecture))))
    return Problem{origin + " contains only an encoder",
                   std::to_string(tensors.size()) + " tensors, none of them in a decoder",
                   "an encoder and a decoder (T5ForConditionalGeneration)",
                   "use the complete model: this one was saved as T5EncoderModel, without its decoder"};
  return std::nullopt;
}

std::string quantizer_of(const fs::path& folder) {
  const fs::path file = folder / "config.json";
  if (!file_exists(file)) return {};
  const auto config = read_json<nlohmann::json, CheckpointError>(file, "download the file again");
  if (!config.is_object()) return {};
  const auto found = config.find("quantization_config");
  if (found == config.end() || found->is_null()) return {};
  const auto method = found->is_object() ? found->find("quant_method") : found->end();
  const bool named = found->is_object() && method != found->end() && method->is_string();
  return "quantization_config" + (named ? " of " + printable(method->get<std::string>()) : std::string());
}

Problem quantized_weights(const std::string& origin, const std::string& found) {
  return {origin + " contains quantised weights", found, "weights in fp32, bf16 or fp16",
          "use the original model; backbone.quantization=nf4 or int8 quantises it"};
}

}  // namespace peftbench::backbone
