#include "pretrain/run_folder.h"

#include "backbone/load.h"
#include "backbone/model_folder.h"
#include "core/json.h"
#include "core/names.h"
#include "core/write_files.h"
#include "results/result_store.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <set>
#include <string>
#include <system_error>
#include <vector>

namespace peftbench::pretrain {
namespace {

std::string shown(const nlohmann::json& value) {
  if (value.is_discarded()) return "nothing";
  const std::string text = value.dump();
  return text.size() > 60 ? text.substr(0, 57) + "…" : text;
}

// Sections of the configuration are gone through, lists are compared as a whole.
void differences(const nlohmann::json& now, const nlohmann::json& before, const std::string& path,
                 std::vector<std::string>& found) {
  if (now == before) return;
  if (!now.is_object() || !before.is_object()) {
    found.push_back(path + ": " + shown(before) + ", now " + shown(now));
    return;
  }
  const nlohmann::json nothing(nlohmann::json::value_t::discarded);
  std::set<std::string> keys;
  for (const auto* side : {&now, &before})
    for (const auto& item : side->items()) keys.insert(item.key());
  for (const std::string& key : keys)
    differences(now.contains(key) ? now.at(key) : nothing, before.contains(key) ? before.at(key) : nothing,
                path.empty() ? key : path + "." + key, found);
}

}  // namespace

void remove_unfinished_files(const fs::path& out, const PretrainConfig& config) {
  std::vector<fs::path> folders = {out, out / "checkpoint", out / config.name};
  for (const Snapshot& snapshot : config.snapshots) folders.push_back(out / snapshot.name);
  for (const fs::path& folder : folders) remove_unfinished(folder);
}

void clear_run(const fs::path& out, const PretrainConfig& config) {
  const RunFolder folder{out};
  // A folder is a model with its config.json: killed from here on, no model of the earlier run is taken for this one's.
  std::vector<std::string> models = {config.name};
  for (const Snapshot& snapshot : config.snapshots) models.push_back(snapshot.name);
  for (const std::string& name : models) remove_file(out / name / "config.json");
  remove_folder(folder.checkpoint());
  for (const fs::path& file : {folder.log(), out / "time.json", out / "config.json"}) remove_file(file);
}

void refuse_other_settings(const fs::path& file, const nlohmann::json& identity) {
  if (!file_exists(file)) return;
  JsonFault ignored;
  const auto parsed = parse_json<nlohmann::json>(read_text(file), ignored);
  if (!parsed || !parsed->is_object()) return;  // the checkpoint's own hash decides
  const nlohmann::json& before = *parsed;
  std::vector<std::string> found;
  differences(identity.at("config"), before.value("config", nlohmann::json::object()), "", found);
  // What these are follows from the configuration, and from files that may have changed.
  for (const auto& [key, what] : {std::pair{"start", "the initial weights"},
                                  {"vocabulary", "the vocabulary"},
                                  {"sources", "the text or the tasks"}})
    if (before.value(key, nlohmann::json()) != identity.at(key))
      found.push_back(std::string(what) + ": changed contents");
  if (found.empty()) return;
  throw ConfigError({"the run in " + file.parent_path().string() + " was started with other settings",
                     join(found, "; "), "the settings in its " + file.filename().string(),
                     "use those settings, start again with --again, or use another folder with --out"});
}

bool holds_model(const fs::path& folder, Precision stored) {
  if (!file_exists(folder / weight_files.front()) || !file_exists(folder / "config.json")) return false;
  JsonFault ignored;
  const auto config = parse_json<nlohmann::json>(read_text(folder / "config.json"), ignored);
  return config && config->is_object() && config->contains("dtype") && config->at("dtype") == enum_name(stored);
}

bool holds_model(const fs::path& folder, Precision stored, const TensorMap& weights, const fs::path& vocabulary) try {
  if (!holds_model(folder, stored) || read_text(folder / spiece_file) != read_text(vocabulary)) return false;
  const TensorMap kept = read_safetensors(folder / weight_files.front()).tensors;
  if (kept.size() != weights.size()) return false;
  for (const auto& [name, tensor] : weights) {
    const auto found = kept.find(name);
    if (found == kept.end() || !found->second.equal(tensor.to(found->second.scalar_type()))) return false;
  }
  return true;
} catch (const UserError&) {  // cannot be read: damaged
  return false;
}

void note_missed_snapshots(const fs::path& out, const PretrainConfig& config, std::int64_t step, ProgressSink& notes) {
  for (const Snapshot& snapshot : config.snapshots) {
    if (snapshot.step > step || holds_model(out / snapshot.name, config.stored)) continue;
    notes.note("warning: the snapshot '" + snapshot.name + "' of step " + std::to_string(snapshot.step) +
               " cannot be written: the run is already at step " + std::to_string(step) + "; --again trains it again");
  }
}

}  // namespace peftbench::pretrain
