#pragma once

#include "backbone/backbone.h"
#include "core/files.h"
#include "plan/compiled_plan.h"
#include "plugin/finder.h"

#include <string>

namespace peftbench {

// What a trained method is made of: adapter.safetensors (CompiledPlan::stored) and adapter.json.
struct AdapterInfo {
  std::string method, version;
  Values values;
  std::string backbone, backbone_checksum;
  std::string task, run;
  TaskShape shape;  // the plan was made for
};

// Returns the hash of the tensors' file.
std::string write_adapter(const fs::path& folder, const AdapterInfo& info, const TensorMap& tensors);

// Throws CheckpointError where the folder is no adapter of ours.
AdapterInfo read_adapter_info(const fs::path& folder, const PluginFinder& finder);

// A plan with the adapter's values. Throws CheckpointError if the backbone is another one (by its checksum, where
// `checksum` is not empty), or if tensors are missing, surplus or misshapen.
CompiledPlan load_adapter(const fs::path& folder, const PluginFinder& finder, const Backbone& backbone,
                          const std::string& checksum);

}  // namespace peftbench
