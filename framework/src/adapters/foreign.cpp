#include "adapters/foreign.h"

#include "core/json.h"
#include "core/names.h"
#include "core/write_files.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"
#include "results/adapter_files.h"

#include <peftbench/error.h>

#include <ATen/ops/isfinite.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

namespace peftbench::adapters {
namespace {

using nlohmann::ordered_json;  // the order of patterns counts

constexpr const char* peft_version = "0.21.2";  // of which the files have the form

// The .npy that `path` is or holds.
std::optional<fs::path> array_of(const fs::path& path) {
  if (path.extension() == ".npy" && file_exists(path)) return path;
  if (file_exists(path / adapter_file::array)) return path / adapter_file::array;
  return std::nullopt;
}

// Entries of other forms (lists of numbers, nested settings) as their JSON text: a format reads none of them, but it
// must see that they are set, to refuse what it does not understand.
ForeignValue foreign_value(const ordered_json& value) {
  if (value.is_null()) return std::monostate();
  if (value.is_boolean()) return value.get<bool>();
  if (const auto number = json_integer(value)) return *number;
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  const auto all = [&](auto kind) { return std::all_of(value.begin(), value.end(), kind); };
  if (value.is_array() && all([](const ordered_json& item) { return item.is_string(); })) return value.get<Names>();
  if (value.is_array() && all([](const ordered_json& item) { return json_integer(item).has_value(); }))
    return value.get<std::vector<int64_t>>();
  if (value.is_object() && all([](const ordered_json& item) { return item.is_number(); })) {
    ForeignNumbers numbers;
    for (const auto& [key, number] : value.items()) numbers.emplace_back(key, number.get<double>());
    return numbers;
  }
  return value.dump();
}

// Whole numbers as such: peft takes a rank of 4.0 for no rank.
ordered_json number_as_json(double number) {
  constexpr double exact = 9007199254740992;  // 2⁵³
  if (number == std::floor(number) && std::abs(number) < exact) return static_cast<int64_t>(number);
  return number;
}

ordered_json as_json(const ForeignValue& value) {
  return std::visit(
      [](const auto& item) -> ordered_json {
        if constexpr (std::is_same_v<std::decay_t<decltype(item)>, std::monostate>)
          return nullptr;
        else if constexpr (std::is_same_v<std::decay_t<decltype(item)>, ForeignNumbers>) {
          ordered_json object = ordered_json::object();
          for (const auto& [key, number] : item) object[key] = number_as_json(number);
          return object;
        } else
          return item;
      },
      value);
}

std::map<std::string, ForeignValue> read_config(const fs::path& file) {
  const auto object = read_json<ordered_json, CheckpointError>(file, "save the adapter again");
  if (!object.is_object())
    throw CheckpointError({file.string() + " is not an adapter description", "JSON that is not an object",
                           "a file written by Hugging Face PEFT's save_pretrained", "save the adapter again"});
  std::map<std::string, ForeignValue> config;
  for (const auto& [key, value] : object.items()) config.emplace(key, foreign_value(value));
  return config;
}

// AdapterHub's folders have a file of the same name.
bool is_adapterhub(const fs::path& path, const std::map<std::string, ForeignValue>& config) {
  if (config.contains("peft_type")) return false;
  return file_exists(path / "pytorch_adapter.bin") || (config.contains("config") && config.contains("model_class"));
}

// An adapter's folder below this one.
std::vector<std::string> adapters_below(const fs::path& path) {
  std::vector<std::string> folders;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error))
    if (is_foreign_adapter(entry->path()) || file_exists(entry->path() / adapter_file::description))
      folders.push_back(entry->path().string());
  std::sort(folders.begin(), folders.end());
  return folders;
}

void check_values(const std::map<std::string, Tensor>& tensors, const fs::path& path) {
  if (tensors.empty())
    throw CheckpointError(
        {.what = "the adapter in " + path.string() + " contains no tensors",
         .found = "an empty file",
         .remedy = "save it again with peft's save_pretrained, while the model still has the adapter"});
  for (const auto& [name, tensor] : tensors) {
    if (tensor.numel() == 0)
      throw CheckpointError(
          {.what = "the adapter in " + path.string() + " contains empty tensors",
           .found = name + " of shape " + c10::str(tensor.sizes()),
           .remedy = "DeepSpeed ZeRO-3 leaves empty tensors if the shards were not gathered before saving: save it "
                     "again with stage3_gather_16bit_weights_on_model_save, or gather it with zero_to_fp32.py"});
    if (at::isfinite(tensor).all().item<bool>()) continue;
    throw CheckpointError({.what = "the adapter in " + path.string() + " holds numbers that are not finite",
                           .found = name.empty() ? "in its array" : "in " + name,
                           .remedy = "use another file"});
  }
}

// What a reader of messages knows an adapter by.
std::string kind_of(const ForeignAdapter& adapter) {
  if (!adapter.config.empty()) return "peft_type " + adapter.text("peft_type", "(none)");
  std::string text = "an array";
  for (const auto& [name, tensor] : adapter.tensors) text += " " + c10::str(tensor.sizes());
  return text;
}

}  // namespace

bool is_foreign_adapter(const fs::path& path) {
  return file_exists(path / adapter_file::peft_config) || array_of(path).has_value();
}

std::vector<fs::path> foreign_files(const fs::path& path) {
  if (!file_exists(path / adapter_file::peft_config)) return {array_of(path).value_or(path)};
  const fs::path weights = path / adapter_file::peft_weights;
  return {path / adapter_file::peft_config, file_exists(weights) ? weights : path / adapter_file::peft_older_weights};
}

Problem not_an_adapter(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return {"no such folder or file", path.string(), "an adapter", "correct the path"};
  if (file_exists(path / "pytorch_adapter.bin") || file_exists(path / adapter_file::peft_config))
    return {path.string() + " is an AdapterHub adapter, whose format is not supported",
            {},
            "a folder of Hugging Face PEFT: adapter_config.json with a peft_type",
            "merge it into its model with AdapterHub and use the result as a backbone, or train a method of peft-bench "
            "(`peft-bench methods`)"};
  if (const std::vector<std::string> below = adapters_below(path); !below.empty())
    return {path.string() + " is a folder of several adapters", join(below), "one of them", "use " + below.front()};
  if (file_exists(path / "config.json"))
    return {path.string() + " is a whole model, not an adapter", {}, "an adapter", "use it as --backbone"};
  return {"the folder is not an adapter", path.string(),
          std::string("adapter.json and adapter.safetensors, as in a run's adapter/; ") + adapter_file::peft_config +
              " and " + adapter_file::peft_weights + " of Hugging Face PEFT; or a .npy",
          "give the folder of a finished run or of an adapter"};
}

ForeignAdapter read_foreign_adapter(const fs::path& path) {
  ForeignAdapter adapter;
  TensorMap tensors;
  if (file_exists(path / adapter_file::peft_config)) {
    adapter.config = read_config(path / adapter_file::peft_config);
    if (is_adapterhub(path, adapter.config)) throw CheckpointError(not_an_adapter(path));
    const fs::path weights = foreign_files(path).back();
    std::error_code error;
    if (file_exists(weights) && fs::file_size(weights, error) == 0)
      throw CheckpointError(
          {.what = "the adapter file is empty", .found = weights.string(), .remedy = "download or save it again"});
    if (!file_exists(weights))
      throw CheckpointError({"the adapter has a description but no tensors", path.string(),
                             std::string(adapter_file::peft_weights) + " or " + adapter_file::peft_older_weights,
                             "download the complete folder"});
    tensors = weights.extension() == ".bin" ? read_torch_pickle(weights) : read_safetensors(weights).tensors;
  } else if (const auto array = array_of(path)) {
    tensors.emplace("", read_npy(*array));
  } else {
    throw CheckpointError(not_an_adapter(path));
  }
  for (const auto& [name, tensor] : tensors)  // copies: the file may be replaced
    adapter.tensors.emplace(name, tensor.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).contiguous());
  check_values(adapter.tensors, path);
  return adapter;
}

fs::path write_foreign_adapter(const fs::path& target, ForeignAdapter adapter, const std::string& backbone) {
  if (adapter.config.empty()) {
    const bool file = target.extension() == ".npy";
    if (!file) make_folder(target);
    const fs::path array = file ? target : target / adapter_file::array;
    write_npy(array, adapter.tensor(""));
    return array;
  }
  auto& config = adapter.config;
  config["base_model_name_or_path"] = backbone;
  config["inference_mode"] = true;  // as save_pretrained has it, whatever the state was
  config.emplace("task_type", "SEQ_2_SEQ_LM");
  config.emplace("peft_version", peft_version);
  for (const char* key : {"auto_mapping", "modules_to_save", "revision"}) config.emplace(key, std::monostate());
  ordered_json object = ordered_json::object();
  for (const auto& [key, value] : config) object[key] = as_json(value);
  TensorMap tensors;
  for (const auto& [name, tensor] : adapter.tensors) tensors.emplace(name, tensor.detach());
  const std::string text = object.dump(2) + "\n";
  make_folder(target);
  retract_other(target / adapter_file::peft_config, text);
  write_safetensors(target / adapter_file::peft_weights, tensors, {{"format", "pt"}});
  write_atomically(target / adapter_file::peft_config, text);
  return target / adapter_file::peft_weights;
}

ForeignMatch match_foreign_adapter(const ForeignAdapter& adapter, const fs::path& path, const PluginFinder& finder,
                                   const std::string& method) {
  std::vector<ForeignMatch> matches;
  std::vector<std::string> formats, methods;
  for (const FoundPlugin& found : finder.list()) {
    if (!found.plugin || (!method.empty() && found.name != method)) continue;
    for (const auto& format : found.plugin->schema.formats()) {
      formats.push_back(found.name + " (" + format->name() + ")");
      bool recognised = false;
      call_plugin(*found.plugin, PluginStep::planning, "inspecting an adapter",
                  [&] { recognised = format->recognises(adapter); });
      if (!recognised) continue;
      matches.push_back({found.plugin, format});
      methods.push_back(found.name);
    }
  }
  if (matches.size() == 1) return matches.front();
  if (matches.empty())
    throw CheckpointError(
        {"no method supports the adapter in " + path.string(), kind_of(adapter),
         formats.empty() ? "a method that supports another program's format" : "one of " + join(formats),
         "train a method of peft-bench, or use a plugin that reads this kind"});
  throw CheckpointError({"several methods support the adapter in " + path.string(), join(methods), "one of them",
                         "choose one: peft-bench import " + path.string() + " --method NAME"});
}

std::shared_ptr<const AdapterFormat> format_named(const LoadedPlugin& plugin, const std::string& format) {
  std::vector<std::string> names;
  for (const auto& known : plugin.schema.formats()) {
    if (known->name() == format) return known;
    names.push_back(known->name());
  }
  throw ConfigError(
      {.what = "the method " + plugin.name + " does not support the format '" + format + "'",
       .expected = names.empty() ? "merged: this method supports no other format" : join(names) + " or merged",
       .remedy = names.empty() ? "--format merged writes a complete model, if the method can be merged"
                               : did_you_mean(format, names)});
}

}  // namespace peftbench::adapters
