#pragma once

#include "adapters/layer.h"
#include "adapters/made_from.h"
#include "backbone/backbone.h"
#include "core/files.h"
#include "plan/compiled_plan.h"
#include "plugin/finder.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <optional>
#include <string>

namespace peftbench::adapters {

// The description of a trained method: adapter.json.
struct AdapterInfo {
  std::string method, version;
  Values values;
  std::string backbone, backbone_checksum;
  std::string task, run;
  TaskShape shape;                         // the plan was made for
  std::optional<MadeFrom> made_from = {};  // nothing in older files, and in other programs'
};

// Returns the hash of the tensors' file, which adapter.json keeps too.
std::string write_adapter(const fs::path& folder, const AdapterInfo& info, const TensorMap& tensors);

// A trained method in memory.
struct Adapter {
  AdapterInfo info;
  TensorMap tensors;   // CompiledPlan::stored
  std::string format;  // of another program; empty for ours
  TensorMap frozen;    // frozen tensors in the file of another program
  Names notes;         // notes of its format's reader
};

// The folder of an adapter: `path` itself, adapter/ in it where `path` is a run's, or the one that `path`, a file of
// an adapter, lies in.
fs::path adapter_folder(const fs::path& path);

// The tensors of an adapter of ours. Throws CheckpointError if the file is not the one that was written: by the hash
// in adapter.json and, in a run's folder, by the record's. Older files have none, and are accepted.
TensorMap read_adapter_tensors(const fs::path& folder);

// Parameters from a file, checked like a user's. Missing ones have their defaults.
Values stored_values(const LoadedPlugin& plugin, const nlohmann::json& values);

// Of an adapter of ours. Throws CheckpointError if the folder is none.
AdapterInfo read_adapter_info(const fs::path& folder, const PluginFinder& finder);

std::optional<MadeFrom> adapter_made_from(const fs::path& folder);

// Ours, or another program's (adapters/foreign.h), which the backbone's sizes are needed to understand. Throws
// CheckpointError if it is neither.
Adapter read_adapter(const fs::path& path, const PluginFinder& finder, const BackboneSpec& backbone,
                     const std::string& method = {});

// A plan with the adapter's values. Throws CheckpointError if tensors are missing, surplus or misshapen.
CompiledPlan plan_of(const Adapter& adapter, const PluginFinder& finder, const BackboneSpec& backbone);

// Throws CheckpointError if the backbone is another one than the adapter was trained on: by its checksum, where
// `checksum` is not empty and the adapter knows one, and by the frozen tensors that lie beside the adapter.
void check_backbone(const Adapter& adapter, const Backbone& backbone, const std::string& checksum);
void check_frozen(const Adapter& adapter, const Backbone& backbone);

// All three in one. `warn` gets the adapter's notes.
CompiledPlan load_adapter(const fs::path& path, const PluginFinder& finder, const Backbone& backbone,
                          const std::string& checksum, const std::function<void(std::string)>& warn = {});

}  // namespace peftbench::adapters
