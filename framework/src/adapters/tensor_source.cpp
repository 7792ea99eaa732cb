#include "adapters/tensor_source.h"

#include "adapters/adapter.h"
#include "adapters/foreign.h"
#include "config/value_files.h"
#include "core/names.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"
#include "results/adapter_files.h"
#include "train/checkpoint.h"

#include <peftbench/error.h>

#include <algorithm>
#include <optional>

namespace peftbench::adapters {
namespace {

struct Found {
  fs::path file;
  TensorMap tensors;
};

// In our terms: what the tensors mean is known to the method's plugin alone.
TensorMap read_foreign(const fs::path& folder, const AdapterReaders& readers,
                       const std::function<void(std::string)>& warn) {
  const ForeignAdapter adapter = read_foreign_adapter(folder);
  const ForeignMatch match = match_foreign_adapter(adapter, folder, readers.finder);
  ImportedAdapter imported;
  call_plugin(*match.plugin, PluginStep::planning, "reading an adapter",
              [&] { imported = match.format->read(adapter, readers.backbone); });
  for (const std::string& note : imported.notes) warn(folder.string() + ": " + note);
  return TensorMap(imported.tensors.begin(), imported.tensors.end());
}

Found read_any(const fs::path& path, const AdapterReaders& readers, const std::function<void(std::string)>& warn) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    if (const auto file = value_file_in(path)) return read_any(*file, readers, warn);
    throw CheckpointError({"the folder contains no trained values", path.string(), join(value_file_names()),
                           "give the folder of a run or of an adapter, or a .npy or .safetensors file"});
  }
  if (!fs::is_regular_file(path, error))
    throw CheckpointError({"the file to initialise from does not exist", path.string(),
                           "a .npy or .safetensors file, or the folder of a run or of an adapter", "correct the path"});
  if (path.extension() == ".npy") return {path, {{"array", read_npy(path)}}};
  if (path.filename() == adapter_file::tensors && file_exists(path.parent_path() / adapter_file::description))
    return {path, read_adapter_tensors(path.parent_path())};
  if (peft_config_of(path)) return {path, read_foreign(path.parent_path(), readers, warn)};
  if (path.extension() == ".bin") return {path, read_torch_pickle(path)};
  TensorFile file = read_safetensors(path);
  return {path, is_checkpoint(file) ? trained_of(std::move(file), path) : std::move(file.tensors)};
}

}  // namespace

Tensor read_parameter(const fs::path& path, const std::string& parameter, const AdapterReaders& readers,
                      const std::function<void(std::string)>& warn) {
  const Found found = read_any(path, readers, warn);
  Tensor tensor;
  for (std::size_t begin = 0; begin <= parameter.size() && !tensor.defined();) {
    const std::size_t end = std::min(parameter.find('|', begin), parameter.size());
    const auto at = found.tensors.find(parameter.substr(begin, end - begin));
    if (at != found.tensors.end()) tensor = at->second;
    begin = end + 1;
  }
  if (!tensor.defined() && found.tensors.size() == 1) tensor = found.tensors.begin()->second;
  if (!tensor.defined()) {
    std::vector<std::string> names;
    for (const auto& entry : found.tensors) names.push_back(entry.first);
    throw CheckpointError({found.file.string() + " has no tensor for '" + parameter + "'", join(names),
                           "a tensor with that name, or a single tensor",
                           "use a file that was written for this method"});
  }
  return tensor.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).contiguous();
}

}  // namespace peftbench::adapters
