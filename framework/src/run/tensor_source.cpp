#include "run/tensor_source.h"

#include "backbone/npy.h"
#include "backbone/safetensors.h"
#include "backbone/torch_pickle.h"
#include "core/json.h"
#include "core/names.h"
#include "run/adapter.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace peftbench {
namespace {

struct Found {
  fs::path file;
  TensorMap tensors;
};

// The file of trained values in a folder: ours (of a run, its adapter, its checkpoint), then Hugging Face's.
std::optional<fs::path> values_in(const fs::path& folder) {
  std::error_code error;
  for (const char* name : {"adapter.safetensors", "adapter/adapter.safetensors", "train.safetensors",
                           "adapter_model.safetensors", "adapter_model.bin"})
    if (fs::is_regular_file(folder / name, error)) return folder / name;
  return std::nullopt;
}

// Hugging Face's description beside its values; it need not be there.
std::optional<fs::path> description_of(const fs::path& file) {
  const fs::path config = file.parent_path() / "adapter_config.json";
  std::error_code error;
  if (!file.filename().string().starts_with("adapter_model.") || !fs::is_regular_file(config, error))
    return std::nullopt;
  return config;
}

Found read_any(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    if (const auto file = values_in(path)) return read_any(*file);
    throw CheckpointError({"the folder contains no trained values", path.string(),
                           "adapter.safetensors, train.safetensors, adapter_model.safetensors or adapter_model.bin",
                           "give the folder of a run or of an adapter, or a .npy or .safetensors file"});
  }
  if (!fs::is_regular_file(path, error))
    throw CheckpointError({"the file to initialise from does not exist", path.string(),
                           "a .npy or .safetensors file, or the folder of a run or of an adapter", "correct the path"});
  if (path.extension() == ".npy") return {path, {{"array", read_npy(path)}}};
  if (path.filename() == "adapter.safetensors" && file_exists(path.parent_path() / "adapter.json"))
    return {path, read_adapter_tensors(path.parent_path())};
  if (path.extension() == ".bin") return {path, read_torch_pickle(path)};
  return {path, read_safetensors(path).tensors};
}

// Hugging Face's prompts of a T5 carry rows for the decoder behind those of the encoder, which are never used there.
std::optional<int64_t> encoder_rows(const fs::path& file) {
  const auto config = description_of(file);
  if (!config) return std::nullopt;
  const auto json = read_json<nlohmann::json, CheckpointError>(*config, "save the adapter again");
  return json.is_object() && json.contains("num_virtual_tokens") ? json_integer(json["num_virtual_tokens"])
                                                                 : std::nullopt;
}

}  // namespace

std::vector<fs::path> files_of_values(const fs::path& path) {
  std::error_code error;
  const auto file = fs::is_regular_file(path, error) ? path : values_in(path);
  if (!file) return {};
  std::vector<fs::path> files = {*file};
  if (const auto config = description_of(*file)) files.push_back(*config);
  return files;
}

Tensor read_parameter(const fs::path& path, const std::string& parameter,
                      const std::function<void(std::string)>& warn) {
  const Found found = read_any(path);
  Tensor tensor;
  for (std::size_t begin = 0; begin <= parameter.size() && !tensor.defined();) {
    const std::size_t end = std::min(parameter.find('|', begin), parameter.size());
    for (const std::string prefix : {"", "best/", "parameters/"}) {
      const auto at = found.tensors.find(prefix + parameter.substr(begin, end - begin));
      if (at != found.tensors.end() && !tensor.defined()) tensor = at->second;
    }
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
  if (const auto rows = encoder_rows(found.file); rows && tensor.dim() == 2 && tensor.size(0) == 2 * *rows) {
    warn("of the " + std::to_string(tensor.size(0)) + " rows in " + found.file.string() + " the first " +
         std::to_string(*rows) + " are used: the others are for the decoder, where Hugging Face does not use them");
    tensor = tensor.narrow(0, 0, *rows);
  }
  return tensor.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).contiguous();
}

}  // namespace peftbench
