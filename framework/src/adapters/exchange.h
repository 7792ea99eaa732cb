#pragma once

#include "adapters/adapter.h"
#include "adapters/layer.h"
#include "config/paths.h"
#include "plugin/loader.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::adapters {

// From an adapter of another program to a folder of ours.
struct ImportRequest {
  Paths paths;
  fs::path adapter;
  std::string backbone;
  std::string method;           // if several methods support it; otherwise empty
  std::optional<fs::path> out;  // none: inspect it and write nothing
};
struct ImportOutcome {
  AdapterInfo info;
  std::string format;
  PluginHandle plugin;
  TensorMap tensors;
  Names notes;  // notes for the user
};
ImportOutcome import_adapter(const ImportRequest& request);

// Where a method has forms of other programs and none of them can hold what these values train: why, a text for each
// form. Empty if one can, or where there are none. Said before anything is trained.
std::vector<std::string> why_not_exportable(const LoadedPlugin& plugin, const Values& values,
                                            const BackboneSpec& backbone, const TaskShape& task);

// From a run or an adapter, of either kind, to another program's form, or to a whole model with the weights merged.
struct ExportRequest {
  Paths paths;
  std::string adapter;   // a run's folder or id, or an adapter's folder
  fs::path runs;         // folder of runs
  std::string format;    // of the method; merged
  std::string backbone;  // empty: the one that the run or the adapter names
  fs::path out;
};
struct ExportOutcome {
  std::string method, format;
  fs::path file;  // the file of the tensors
  std::int64_t tensors = 0, elements = 0;
  Names notes;
};
ExportOutcome export_adapter(const ExportRequest& request);

}  // namespace peftbench::adapters
