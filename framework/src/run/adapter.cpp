#include "run/adapter.h"

#include "backbone/safetensors.h"
#include "core/hash.h"
#include "core/write_files.h"
#include "plugin/schema.h"
#include "run/foreign.h"
#include "run/planning.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

namespace peftbench {
namespace {

constexpr int format_version = 1;

// Values from outside go by way of their texts, so that the schema checks them as it checks a user's.
GivenValue given(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return value.get<Names>();
  return value.dump();
}

nlohmann::json read_json(const fs::path& folder) {
  const fs::path file = folder / "adapter.json";
  if (!file_exists(file))
    throw CheckpointError({"the folder is not an adapter", folder.string(),
                           "adapter.json and adapter.safetensors, as in a run's adapter/; adapter_config.json and "
                           "adapter_model.safetensors of Hugging Face PEFT; or a .npy",
                           "name a finished run's folder or an adapter's"});
  auto json = nlohmann::json::parse(read_text(file), nullptr, false);
  if (json.is_discarded() || !json.is_object() || json.value("format_version", 0) != format_version)
    throw CheckpointError({file.string() + " is not an adapter's description",
                           {},
                           "JSON with format_version " + std::to_string(format_version),
                           "train the method again"});
  return json;
}

GivenValue given(const Value& value) {
  if (const auto* names = std::get_if<Names>(&value)) return *names;
  return to_text(value);
}

Adapter read_foreign(const fs::path& path, const PluginFinder& finder, const BackboneSpec& backbone,
                     const std::string& method) {
  const ForeignAdapter foreign = read_foreign_adapter(path);
  const auto [plugin, format] = match_foreign_adapter(foreign, path, finder, method);
  ImportedAdapter imported;
  call_plugin(*plugin, PluginStep::planning, "reading the adapter in " + path.string(),
              [&] { imported = format->read(foreign, backbone); });
  GivenValues values;
  for (const auto& [key, value] : imported.values.all()) values[key] = given(value);
  Adapter adapter{{plugin->name,
                   plugin->version,
                   parse_values(plugin->name, plugin->schema, values),
                   foreign.text("base_model_name_or_path"),
                   "",
                   "",
                   "",
                   {}},
                  {},
                  format->name()};
  for (auto& [name, tensor] : imported.tensors) adapter.tensors.emplace(name, tensor);
  return adapter;
}

}  // namespace

std::string write_adapter(const fs::path& folder, const AdapterInfo& info, const TensorMap& tensors) {
  const nlohmann::ordered_json json = {{"format_version", format_version},
                                       {"method", info.method},
                                       {"version", info.version},
                                       {"values", to_json(info.values)},
                                       {"backbone", {{"name", info.backbone}, {"checksum", info.backbone_checksum}}},
                                       {"task", info.task},
                                       {"labels", info.shape.labels},
                                       {"fields", info.shape.fields},
                                       {"run", info.run}};
  const std::string text = json.dump(1) + "\n";
  make_folder(folder);
  retract_other(folder / "adapter.json", text);
  const fs::path file = folder / "adapter.safetensors";
  TensorMap plain;
  for (const auto& [name, tensor] : tensors) plain.emplace(name, tensor.detach());
  write_safetensors(file, plain);
  write_atomically(folder / "adapter.json", text);
  return sha256(MappedFile::open(file)->text());
}

fs::path adapter_folder(const fs::path& path) {
  for (const fs::path& folder : {path, path / "adapter"})
    if (file_exists(folder / "adapter.json")) return folder;
  return path;
}

AdapterInfo read_adapter_info(const fs::path& folder, const PluginFinder& finder) try {
  const nlohmann::json json = read_json(folder);
  AdapterInfo info{json.at("method"),
                   json.at("version"),
                   {},
                   json.at("backbone").at("name"),
                   json.at("backbone").at("checksum"),
                   json.at("task"),
                   json.at("run"),
                   {json.value("labels", Names{}), json.value("fields", Names{})}};
  GivenValues values;
  for (const auto& [key, value] : json.at("values").items()) values[key] = given(value);
  info.values = parse_values(info.method, finder.load_method(info.method)->schema, values);
  return info;
} catch (const nlohmann::json::exception& error) {
  throw CheckpointError({(folder / "adapter.json").string() + " is not an adapter's description",
                         error.what(),
                         {},
                         "train the method again"});
}

Adapter read_adapter(const fs::path& path, const PluginFinder& finder, const BackboneSpec& backbone,
                     const std::string& method) {
  const fs::path folder = adapter_folder(path);
  if (!file_exists(folder / "adapter.json") && is_foreign_adapter(folder))
    return read_foreign(folder, finder, backbone, method);
  return {read_adapter_info(folder, finder), read_safetensors(folder / "adapter.safetensors").tensors, {}};
}

CompiledPlan plan_of(const Adapter& adapter, const PluginFinder& finder, const BackboneSpec& backbone) {
  const AdapterInfo& info = adapter.info;
  CompiledPlan plan = compile_plan(*finder.load_method(info.method), info.values, backbone, info.shape);
  plan.load_stored(adapter.tensors);
  return plan;
}

void check_backbone(const AdapterInfo& info, const Backbone& backbone, const std::string& checksum) {
  if (checksum.empty() || info.backbone_checksum.empty() || checksum == info.backbone_checksum) return;
  throw CheckpointError({"the adapter was trained on another backbone",
                         backbone.spec().name + ", checksum " + checksum.substr(0, 16),
                         info.backbone + ", checksum " + info.backbone_checksum.substr(0, 16),
                         "use the backbone that it was trained on, in the same precision and quantization"});
}

CompiledPlan load_adapter(const fs::path& path, const PluginFinder& finder, const Backbone& backbone,
                          const std::string& checksum) {
  const Adapter adapter = read_adapter(path, finder, backbone.spec());
  check_backbone(adapter.info, backbone, checksum);
  return plan_of(adapter, finder, backbone.spec());
}

}  // namespace peftbench
