#pragma once

#include "backbone/backbone.h"
#include "core/files.h"
#include "plan/compiled_plan.h"
#include "plugin/finder.h"

#include <string>

namespace peftbench {

// What is known of a trained method beside its tensors: adapter.json.
struct AdapterInfo {
  std::string method, version;
  Values values;
  std::string backbone, backbone_checksum;
  std::string task, run;
  TaskShape shape;  // the plan was made for
};

// Returns the hash of the tensors' file.
std::string write_adapter(const fs::path& folder, const AdapterInfo& info, const TensorMap& tensors);

// A trained method in memory.
struct Adapter {
  AdapterInfo info;
  TensorMap tensors;   // CompiledPlan::stored
  std::string format;  // of another program; empty for ours
};

// The folder of an adapter: `path` itself, or adapter/ in it where `path` is a run's.
fs::path adapter_folder(const fs::path& path);

// Of an adapter of ours. Throws CheckpointError where the folder is none.
AdapterInfo read_adapter_info(const fs::path& folder, const PluginFinder& finder);

// Ours, or another program's (run/foreign.h), which the backbone's sizes are needed to understand. Throws
// CheckpointError where it is neither.
Adapter read_adapter(const fs::path& path, const PluginFinder& finder, const BackboneSpec& backbone,
                     const std::string& method = {});

// A plan with the adapter's values. Throws CheckpointError if tensors are missing, surplus or misshapen.
CompiledPlan plan_of(const Adapter& adapter, const PluginFinder& finder, const BackboneSpec& backbone);

// Throws CheckpointError if the backbone is another one than the adapter was trained on: by its checksum, where
// `checksum` is not empty and the adapter knows one.
void check_backbone(const AdapterInfo& info, const Backbone& backbone, const std::string& checksum);

// All three in one.
CompiledPlan load_adapter(const fs::path& path, const PluginFinder& finder, const Backbone& backbone,
                          const std::string& checksum);

}  // namespace peftbench
