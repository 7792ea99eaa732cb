#include "backbone/load.h"

#include "backbone/config_json.h"
#include "backbone/finite.h"
#include "backbone/weights_kind.h"
#include "core/json.h"
#include "core/names.h"
#include "core/utf8.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <set>

namespace peftbench::backbone {

namespace {

using nlohmann::json;

bool same(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type() || a.device() != b.device()) return false;
  if (a.is_contiguous() && b.is_contiguous() && a.is_cpu()) {
    return a.const_data_ptr() == b.const_data_ptr() ||
           std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
  }
  return a.equal(b);
}

// The embedding table by any of its names, its own first.
std::vector<std::string> table_names(const Architecture& architecture) {
  std::vector<std::string> names = {tensor_name(architecture, {TensorKind::embedding})};
  names.insert(names.end(), architecture.names.embedding_copies.begin(), architecture.names.embedding_copies.end());
  return names;
}

TensorMap read_file(const fs::path& file) {
  return file.extension() == ".bin" ? read_torch_pickle(file) : read_safetensors(file).tensors;
}

// Tensor name → name of its file, from an index of shards.
std::map<std::string, std::string> read_index(const fs::path& index) {
  const auto refuse = [&](const std::string& found) {
    throw CheckpointError(Problem{index.string() + " is not a weights index", found,
                                  "weight_map: an object that maps tensor names to files", "download the file again"});
  };
  std::map<std::string, std::string> files;
  const json content = read_json<json, CheckpointError>(index, "download the file again");
  const auto map = content.is_object() ? content.find("weight_map") : content.end();
  if (map == content.end() || !map->is_object()) refuse("no weight_map");
  for (const auto& [name, file] : map->items()) {
    const std::string shard = file.is_string() ? file.get<std::string>() : "";
    // A shard lies beside its index: a path could lead anywhere.
    if (shard.empty() || shard != fs::path(shard).filename().string() || shard == "..") {
      refuse("'" + printable(name) + "' in " + printable(file.dump()));
    }
    files[name] = shard;
  }
  return files;
}

TensorMap read_shards(const fs::path& index) {
  const std::map<std::string, std::string> files = read_index(index);
  std::map<std::string, TensorMap> shards;
  for (const auto& [name, file] : files) shards[file];
  std::vector<std::string> missing;
  std::error_code ignored;
  for (auto& [file, tensors] : shards) {
    if (!fs::exists(index.parent_path() / file, ignored)) missing.push_back(file);
  }
  if (!missing.empty()) {
    throw CheckpointError(
        Problem{std::to_string(missing.size()) + " of " + std::to_string(shards.size()) + " weights files are missing",
                join(missing), "all files listed in " + index.string(), "download the model again"});
  }
  for (auto& [file, tensors] : shards) tensors = read_file(index.parent_path() / file);
  TensorMap result;
  for (const auto& [name, file] : files) {
    const auto found = shards[file].find(name);
    if (found == shards[file].end()) {
      throw CheckpointError(
          Problem{.what = (index.parent_path() / file).string() + " does not contain '" + printable(name) + "'",
                  .expected = "every tensor listed in " + index.filename().string(),
                  .remedy = "download the model again"});
    }
    result.insert(*found);
  }
  return result;
}

std::string fault_of(const TensorEntry& entry, const Tensor& tensor) {
  if (tensor.sizes() != at::IntArrayRef(entry.shape)) {
    return entry.name + " is " + shape_text(tensor.sizes().vec()) + ", not " + shape_text(entry.shape);
  }
  if (!tensor.is_floating_point()) return entry.name + " is of type " + c10::toString(tensor.scalar_type());
  return {};
}

// "3 tensors are missing:\n  a\n  b\n  c"
void add_list(std::string& message, const std::vector<std::string>& items, const std::string& verb) {
  constexpr std::size_t shown = 20;
  if (items.empty()) return;
  if (!message.empty()) message += '\n';
  message += std::to_string(items.size()) + (items.size() == 1 ? " tensor is " : " tensors are ") + verb + ":";
  for (std::size_t i = 0; i < std::min(items.size(), shown); ++i) message += "\n  " + items[i];
  if (items.size() > shown) message += "\n  … and " + std::to_string(items.size() - shown) + " more";
}

}  // namespace

std::string shape_text(const Shape& shape) {
  std::vector<std::string> sizes;
  for (const int64_t size : shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes) + "]";
}

bool is_small(const TensorRole& role) {
  return role.kind == TensorKind::norm || role.kind == TensorKind::final_norm || role.kind == TensorKind::position_bias;
}

bool has_weights(const fs::path& folder) {
  std::error_code ignored;
  return std::any_of(weight_files.begin(), weight_files.end(),
                     [&](std::string_view file) { return fs::exists(folder / file, ignored); });
}

TensorMap read_weights(const fs::path& folder) {
  std::error_code ignored;
  for (const std::string_view file : weight_files) {
    const fs::path path = folder / file;
    if (!fs::exists(path, ignored)) continue;
    TensorMap tensors = path.extension() == ".json" ? read_shards(path) : read_file(path);
    strip_wrappers(tensors, folder.string());
    return tensors;
  }
  std::vector<std::string> other;
  for (const char* file : {"tf_model.h5", "flax_model.msgpack", "rust_model.ot"}) {
    if (fs::exists(folder / file, ignored)) other.push_back(file);
  }
  throw CheckpointError(Problem{"there are no weights in " + folder.string(),
                                other.empty() ? "none of these files" : join(other) + ", which are not supported",
                                join({weight_files.begin(), weight_files.end()}, " or "),
                                "download the complete model, or convert it with save_pretrained"});
}

bool head_is_tied(const Architecture& architecture, const TensorMap& tensors, bool suggested) {
  const auto own = tensors.find(tensor_name(architecture, {TensorKind::lm_head}));
  if (own == tensors.end()) return true;
  for (const std::string& name : table_names(architecture)) {
    if (const auto table = tensors.find(name); table != tensors.end()) return same(own->second, table->second);
  }
  return suggested;
}

BackboneSpec read_spec(const fs::path& folder) {
  BackboneSpec spec = read_config(folder);
  if (has_weights(folder))
    spec.tied = head_is_tied(architecture_named(spec.architecture), read_weights(folder), spec.tied);
  return spec;
}

std::vector<Tensor> match_tensors(const BackboneSpec& spec, TensorMap tensors, const std::string& origin) {
  const std::optional<Problem> kind = other_kind(spec, tensors, origin);
  std::vector<std::string> missing, wrong, surplus, not_finite;
  const Architecture& architecture = architecture_named(spec.architecture);
  for (const std::string_view name : architecture.names.unused) tensors.erase(std::string(name));
  const bool tied_head = spec.tied && head_is_tied(architecture, tensors, true);
  const std::vector<std::string> tables = table_names(architecture);
  const auto unify = [&](const std::string& copy) {
    const auto found = tensors.find(copy);
    if (found == tensors.end() || copy == tables.front()) return;
    const auto table = tensors.try_emplace(tables.front(), found->second).first;
    if (!same(table->second, found->second)) wrong.push_back(copy + " differs from " + tables.front());
    tensors.erase(copy);
  };
  for (const std::string& name : tables) unify(name);
  if (tied_head) unify(tensor_name(architecture, {TensorKind::lm_head}));

  std::vector<Tensor> result;
  for (const TensorEntry& entry : spec.tensors()) {
    const auto found = tensors.find(entry.name);
    if (found == tensors.end()) {
      missing.push_back(entry.name + " " + shape_text(entry.shape));
      continue;
    }
    if (std::string fault = fault_of(entry, found->second); !fault.empty())
      wrong.push_back(std::move(fault));
    else if (is_small(entry.role) && !all_finite(found->second))
      not_finite.push_back(entry.name);
    result.push_back(std::move(found->second));
    tensors.erase(found);
  }
  for (const auto& [name, tensor] : tensors)
    surplus.push_back(printable(name) + " " + shape_text(tensor.sizes().vec()));

  std::string found;
  add_list(found, missing, "missing");
  add_list(found, wrong, "wrong");
  add_list(found, surplus, "unexpected");
  if (!found.empty()) add_list(found, not_finite, "not finite");
  if (!found.empty()) {
    if (kind) throw CheckpointError(*kind);
    throw CheckpointError(Problem{origin + " does not match the sizes in config.json", found,
                                  std::to_string(spec.tensors().size()) + " tensors with Hugging Face names",
                                  "check that config.json and the weights belong to the same model"});
  }
  if (!not_finite.empty()) {  // and nothing else
    throw CheckpointError(Problem{origin + " holds numbers that are not finite",
                                  "inf or NaN in " + join(not_finite, "\n"), "finite numbers", finite_weights_remedy});
  }
  return result;
}

}  // namespace peftbench::backbone
