#include "adapters/adapter.h"

#include "adapters/foreign.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/write_files.h"
#include "formats/safetensors.h"
#include "plugin/compile_plan.h"
#include "plugin/schema.h"
#include "results/adapter_files.h"
#include "results/result_store.h"

#include <peftbench/error.h>

#include <ATen/ops/allclose.h>
#include <nlohmann/json.hpp>

namespace peftbench::adapters {
namespace {

constexpr int format_version = 1;
constexpr const char* damaged = "copy the undamaged adapter again, or repeat its training run with --again";

// Values from outside go by way of their texts, so that the schema checks them as it checks a user's.
GivenValue given(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return value.get<Names>();
  return value.dump();
}

// Of everything in it but the hash itself: a changed number in it (a scale) changes results as a changed tensor does.
std::string hash_of(const nlohmann::ordered_json& description) { return sha256(description.dump()); }

nlohmann::json description_in(const fs::path& folder) {
  const fs::path file = folder / adapter_file::description;
  if (!file_exists(file)) throw CheckpointError(not_an_adapter(folder));
  auto json = read_json<nlohmann::ordered_json, CheckpointError>(file, damaged);
  if (!json.is_object() || json.value("format_version", nlohmann::ordered_json()) != format_version)
    throw CheckpointError({file.string() + " is not an adapter description",
                           json.is_object() ? "another version" : "not an object",
                           "JSON with format_version " + std::to_string(format_version), damaged});
  if (const nlohmann::ordered_json kept = json.value("description_hash", nlohmann::ordered_json()); !kept.is_null()) {
    json.erase("description_hash");
    if (const std::string found = hash_of(json); kept != found)
      throw CheckpointError(
          {file.string() + " was changed after it was written", "SHA-256 " + found, kept.dump(), damaged});
  }
  return json;
}

// The hashes that are known of an adapter's tensors, with the file that keeps each.
std::vector<std::pair<fs::path, std::string>> known_hashes(const fs::path& folder) {
  std::vector<std::pair<fs::path, std::string>> known;
  const fs::path description = folder / adapter_file::description;
  if (file_exists(description)) {
    const nlohmann::json json = description_in(folder);
    if (json.contains("adapter_hash") && json["adapter_hash"].is_string() && json["adapter_hash"] != "")
      known.emplace_back(description, json["adapter_hash"].get<std::string>());
  }
  const fs::path own = (fs::absolute(folder) / "").lexically_normal().parent_path();  // without a last '/'
  const RunFolder run{own.parent_path()};
  if (!file_exists(run.record()) || own != run.adapter()) return known;
  try {
    const std::string hash = read_record(run.record()).adapter_hash;
    if (!hash.empty()) known.emplace_back(run.record(), hash);
  } catch (const Error&) {  // a damaged record hides nothing where the adapter has a hash of its own
    if (known.empty()) throw;
  }
  return known;
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
                  format->name(),
                  {imported.frozen.begin(), imported.frozen.end()},
                  imported.notes};
  if (const auto known = format->entries())
    for (const std::string& key : foreign.set_beyond(*known))
      adapter.notes.push_back("adapter_config.json: '" + key + "' is unknown and was ignored");
  if (foreign.is_set("task_type") && foreign.text("task_type") != "SEQ_2_SEQ_LM")
    adapter.notes.push_back("the adapter was made for task_type " + foreign.text("task_type") +
                            ", and is used for SEQ_2_SEQ_LM");
  for (auto& [name, tensor] : imported.tensors) adapter.tensors.emplace(name, tensor);
  return adapter;
}

}  // namespace

std::string write_adapter(const fs::path& folder, const AdapterInfo& info, const TensorMap& tensors) {
  make_folder(folder);
  retract_other(folder / adapter_file::description, {});  // the new one has the hash of what is written now
  const fs::path file = folder / adapter_file::tensors;
  TensorMap plain;
  for (const auto& [name, tensor] : tensors) plain.emplace(name, tensor.detach());
  write_safetensors(file, plain);
  const std::string hash = sha256(MappedFile::open(file)->text());
  nlohmann::ordered_json json = {{"format_version", format_version},
                                 {"method", info.method},
                                 {"version", info.version},
                                 {"values", plugin::to_json(info.values)},
                                 {"backbone", {{"name", info.backbone}, {"checksum", info.backbone_checksum}}},
                                 {"task", info.task},
                                 {"labels", info.shape.labels},
                                 {"fields", info.shape.fields},
                                 {"run", info.run},
                                 {"adapter_hash", hash}};
  if (info.made_from) json["made_from"] = to_json(*info.made_from);
  json["description_hash"] = hash_of(json);
  write_atomically(folder / adapter_file::description, json.dump(1) + "\n");
  return hash;
}

fs::path adapter_folder(const fs::path& path) {
  const fs::path above = path.parent_path(), name = path.filename();
  if (name == adapter_file::tensors && file_exists(above / adapter_file::description)) return above;
  if (name.string().starts_with("adapter_") && file_exists(path) && is_foreign_adapter(above)) return above;
  for (const fs::path& folder : {path, path / "adapter"})
    if (file_exists(folder / adapter_file::description)) return folder;
  return path;
}

TensorMap read_adapter_tensors(const fs::path& folder) {
  const fs::path file = folder / adapter_file::tensors;
  const auto known = known_hashes(folder);
  const std::string found = known.empty() ? std::string() : sha256(MappedFile::open(file)->text());
  for (const auto& [source, hash] : known)
    if (hash != found)
      throw CheckpointError({file.string() + " was changed after it was written", "SHA-256 " + found,
                             hash + " (" + source.string() + ")", damaged});
  return read_safetensors(file).tensors;
}

Values stored_values(const LoadedPlugin& plugin, const nlohmann::json& values) {
  GivenValues texts;
  for (const auto& [key, value] : values.items()) texts[key] = given(value);
  return parse_values(plugin.name, plugin.schema, texts);
}

std::optional<MadeFrom> adapter_made_from(const fs::path& folder) try {
  const nlohmann::json json = description_in(folder);
  return json.contains("made_from") ? std::optional(made_from_json(json.at("made_from"))) : std::nullopt;
} catch (const nlohmann::json::exception& error) {
  throw CheckpointError({.what = (folder / adapter_file::description).string() + " is not an adapter description",
                         .found = error.what(),
                         .remedy = damaged});
}

AdapterInfo read_adapter_info(const fs::path& folder, const PluginFinder& finder) try {
  const nlohmann::json json = description_in(folder);
  AdapterInfo info{json.at("method"),
                   json.at("version"),
                   {},
                   json.at("backbone").at("name"),
                   json.at("backbone").at("checksum"),
                   json.at("task"),
                   json.at("run"),
                   {json.value("labels", Names{}), json.value("fields", Names{})}};
  if (json.contains("made_from")) info.made_from = made_from_json(json.at("made_from"));
  const NamedBy by{(folder / adapter_file::description).string(), {}};
  info.values = stored_values(*finder.load_method(info.method, by), json.at("values"));
  return info;
} catch (const nlohmann::json::exception& error) {
  throw CheckpointError({.what = (folder / adapter_file::description).string() + " is not an adapter description",
                         .found = error.what(),
                         .remedy = damaged});
}

Adapter read_adapter(const fs::path& path, const PluginFinder& finder, const BackboneSpec& backbone,
                     const std::string& method) {
  const fs::path folder = adapter_folder(path);
  if (!file_exists(folder / adapter_file::description) && is_foreign_adapter(folder))
    return read_foreign(folder, finder, backbone, method);
  return {read_adapter_info(folder, finder), read_adapter_tensors(folder), {}, {}, {}};
}

CompiledPlan plan_of(const Adapter& adapter, const PluginFinder& finder, const BackboneSpec& backbone) {
  const AdapterInfo& info = adapter.info;
  CompiledPlan plan = compile_plan(*finder.load_method(info.method), info.values, backbone, info.shape);
  plan.load_stored(adapter.tensors);
  return plan;
}

void check_frozen(const Adapter& adapter, const Backbone& backbone) {
  constexpr double rounding = 1.0 / 128;  // of bfloat16, in which it may have been stored
  for (const auto& [name, tensor] : adapter.frozen) {
    const Tensor own = backbone.frozen(backbone.spec().parameter(name).index).to(at::kFloat).cpu();
    if (own.sizes() == tensor.sizes() && at::allclose(tensor, own, rounding, 1e-6)) continue;
    const bool sized = own.sizes() == tensor.sizes();
    throw CheckpointError(
        {"the adapter file contains a different " + name + " than the backbone, which peft-bench cannot use",
         c10::str(tensor.sizes(), sized ? " with other values" : ""),
         c10::str(own.sizes()) + " of " + backbone.spec().name,
         "use the backbone that the adapter was trained for; if the table itself was trained, or tokens were "
         "added, "
         "merge the adapter into its model with the program that made it"});
  }
}

void check_backbone(const Adapter& adapter, const Backbone& backbone, const std::string& checksum) {
  check_frozen(adapter, backbone);
  const AdapterInfo& info = adapter.info;
  if (checksum.empty() || info.backbone_checksum.empty() || checksum == info.backbone_checksum) return;
  throw CheckpointError({"the adapter was trained on another backbone",
                         backbone.spec().name + ", checksum " + checksum.substr(0, 16),
                         info.backbone + ", checksum " + info.backbone_checksum.substr(0, 16),
                         "use the backbone that it was trained on, in the same precision and quantization"});
}

CompiledPlan load_adapter(const fs::path& path, const PluginFinder& finder, const Backbone& backbone,
                          const std::string& checksum, const std::function<void(std::string)>& warn) {
  const Adapter adapter = read_adapter(path, finder, backbone.spec());
  check_backbone(adapter, backbone, checksum);
  if (warn)
    for (const std::string& note : adapter.notes) warn(note);
  CompiledPlan plan = plan_of(adapter, finder, backbone.spec());
  plan.place_on(backbone.device());
  return plan;
}

}  // namespace peftbench::adapters
