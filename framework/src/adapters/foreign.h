#pragma once

#include "adapters/layer.h"
#include "core/files.h"
#include "plugin/finder.h"

#include <peftbench/error.h>
#include <peftbench/exchange.h>

#include <memory>
#include <string>
#include <vector>

namespace peftbench::adapters {

// The containers of other programs: a folder with adapter_config.json and adapter_model.safetensors (or the older
// adapter_model.bin), or a .npy. What they mean is known to the formats of the methods alone.
bool is_foreign_adapter(const fs::path& path);
// The error for a `path` that is not a supported adapter.
Problem not_an_adapter(const fs::path& path);
// The files that contain the values of an adapter.
std::vector<fs::path> foreign_files(const fs::path& path);
// Throws CheckpointError.
ForeignAdapter read_foreign_adapter(const fs::path& path);
// Atomic; the description comes last. An adapter without a config is one array: `target` is a .npy, or a folder that
// gets adapter.npy. Returns the file of the tensors.
fs::path write_foreign_adapter(const fs::path& target, ForeignAdapter adapter, const std::string& backbone);

// A method that can read an adapter, and the form it took it for.
struct ForeignMatch {
  PluginHandle plugin;
  std::shared_ptr<const AdapterFormat> format;
};
// Asks every plugin that is found. Throws CheckpointError if none takes it, or more than one does and `method`
// (may be empty) does not choose.
ForeignMatch match_foreign_adapter(const ForeignAdapter& adapter, const fs::path& path, const PluginFinder& finder,
                                   const std::string& method = {});

// The form that `export --format` names. Throws ConfigError that lists those of the method.
std::shared_ptr<const AdapterFormat> format_named(const LoadedPlugin& plugin, const std::string& format);

}  // namespace peftbench::adapters
