#pragma once

#include "plugin/loader.h"
#include "run/adapter.h"
#include "run/home.h"

#include <cstdint>
#include <optional>
#include <string>

namespace peftbench {

// From an adapter of another program to a folder of ours.
struct ImportRequest {
  Places places;
  fs::path adapter;
  std::string backbone;
  std::string method;           // where several methods could take it; else empty
  std::optional<fs::path> out;  // none: say what it is and write nothing
};
struct ImportOutcome {
  AdapterInfo info;
  std::string format;
  PluginHandle plugin;
  TensorMap tensors;
};
ImportOutcome import_adapter(const ImportRequest& request);

// From a run or an adapter, of either kind, to another program's form, or to a whole model with the weights merged.
struct ExportRequest {
  Places places;
  std::string adapter;   // a run's folder or id, or an adapter's folder
  fs::path runs;         // where a run's id is looked for
  std::string format;    // of the method; merged
  std::string backbone;  // empty: the one that the run or the adapter names
  fs::path out;
};
struct ExportOutcome {
  std::string method, format;
  fs::path file;  // that holds the tensors
  std::int64_t tensors = 0, elements = 0;
};
ExportOutcome export_adapter(const ExportRequest& request);

}  // namespace peftbench
