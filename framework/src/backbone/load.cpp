#include "backbone/load.h"

#include "backbone/backbone.h"
#include "backbone/config_json.h"
#include "backbone/finite.h"
#include "backbone/weights_kind.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/names.h"
#include "core/utf8.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"

#include <peftbench/error.h>

#include <ATen/ops/tensor.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <set>

namespace peftbench::backbone {

namespace {

using nlohmann::json;

constexpr const char* embedding = "shared.weight";
constexpr const char* head = "lm_head.weight";
// The embedding table by any of its names: writers differ in which of the tied ones they keep.
constexpr const char* table_names[] = {embedding, "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"};
// Old files have it; no version of T5 reads it.
constexpr const char* unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";

bool same(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type() || a.device() != b.device()) return false;
  if (a.is_contiguous() && b.is_contiguous() && a.is_cpu()) {
    return a.const_data_ptr() == b.const_data_ptr() ||
           std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
  }
  return a.equal(b);
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

std::string text(const Shape& shape) {
  std::vector<std::string> sizes;
  for (const int64_t size : shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes) + "]";
}

// Norms and biases are small enough to look at each number; of the rest, what a pass gives is looked at (finite.h).
bool is_small(const TensorEntry& entry) {
  return entry.shape.size() < 2 || entry.name.ends_with("relative_attention_bias.weight");
}

std::string fault_of(const TensorEntry& entry, const Tensor& tensor) {
  if (tensor.sizes() != at::IntArrayRef(entry.shape)) {
    return entry.name + " is " + text(tensor.sizes().vec()) + ", not " + text(entry.shape);
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

at::ScalarType type_of(Precision precision) { return precision == Precision::bfloat16 ? at::kBFloat16 : at::kFloat; }

Tensor in_precision(const TensorEntry& entry, const Tensor& tensor, Precision precision) {
  return tensor.detach().to(is_small(entry) ? at::kFloat : type_of(precision)).contiguous();
}

// Names of what quantisation concerns.
std::set<std::string> maps_of_blocks(const BackboneSpec& spec) {
  std::set<std::string> names;
  for (const LinearSite& site : spec.linears(spec.linear_names())) names.insert(site.tensor_name());
  return names;
}

}  // namespace

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

bool head_is_tied(const TensorMap& tensors, bool suggested) {
  const auto own = tensors.find(head);
  if (own == tensors.end()) return true;
  for (const char* name : table_names) {
    if (const auto table = tensors.find(name); table != tensors.end()) return same(own->second, table->second);
  }
  return suggested;
}

BackboneSpec read_spec(const fs::path& folder) {
  BackboneSpec spec = read_config(folder);
  if (has_weights(folder)) spec.tied = head_is_tied(read_weights(folder), spec.tied);
  return spec;
}

std::vector<Tensor> match_tensors(const BackboneSpec& spec, TensorMap tensors, const std::string& origin) {
  const std::optional<Problem> kind = other_kind(spec, tensors, origin);
  std::vector<std::string> missing, wrong, surplus, not_finite;
  tensors.erase(unused);
  const bool tied_head = spec.tied && head_is_tied(tensors, true);
  const auto unify = [&](const char* copy) {
    const auto found = tensors.find(copy);
    if (found == tensors.end() || found->first == embedding) return;
    const auto table = tensors.try_emplace(embedding, found->second).first;
    if (!same(table->second, found->second)) wrong.push_back(std::string(copy) + " differs from " + embedding);
    tensors.erase(copy);
  };
  for (const char* name : table_names) unify(name);
  if (tied_head) unify(head);

  std::vector<Tensor> result;
  for (const TensorEntry& entry : spec.tensors()) {
    const auto found = tensors.find(entry.name);
    if (found == tensors.end()) {
      missing.push_back(entry.name + " " + text(entry.shape));
      continue;
    }
    if (std::string fault = fault_of(entry, found->second); !fault.empty())
      wrong.push_back(std::move(fault));
    else if (is_small(entry) && !all_finite(found->second))
      not_finite.push_back(entry.name);
    result.push_back(std::move(found->second));
    tensors.erase(found);
  }
  for (const auto& [name, tensor] : tensors) surplus.push_back(printable(name) + " " + text(tensor.sizes().vec()));

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

std::shared_ptr<const Backbone> Backbone::load(const fs::path& folder, const LoadOptions& options) {
  BackboneSpec spec = read_config(folder);
  if (const std::string by = quantizer_of(folder); !by.empty())
    throw CheckpointError(quantized_weights(folder.string(), by));
  TensorMap tensors = read_weights(folder);
  spec.tied = head_is_tied(tensors, spec.tied);
  return make(std::move(spec), std::move(tensors), options, folder.string());
}

std::shared_ptr<const Backbone> Backbone::from_tensors(BackboneSpec spec, TensorMap tensors,
                                                       const LoadOptions& options) {
  const std::string origin = spec.name.empty() ? "the model" : "'" + spec.name + "'";
  return make(std::move(spec), std::move(tensors), options, origin);
}

std::shared_ptr<const Backbone> Backbone::make(BackboneSpec spec, TensorMap tensors, const LoadOptions& options,
                                               const std::string& origin) {
  const std::shared_ptr<Backbone> backbone(new Backbone());
  std::vector<Tensor> sources = match_tensors(spec, std::move(tensors), origin);
  const std::vector<TensorEntry> entries = spec.tensors();
  const std::set<std::string> in_blocks = maps_of_blocks(spec);
  backbone->tensors_.resize(entries.size());
  backbone->quantized_.resize(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    // Taken out of the list, so that what is converted is let go before the next is read.
    const Tensor source = std::move(sources[i]);
    if (options.quantization == Quantization::none || !in_blocks.contains(entries[i].name)) {
      backbone->tensors_[i] = in_precision(entries[i], source, options.precision);
      continue;
    }
    if (!all_finite(source)) {
      throw CheckpointError(Problem{.what = entries[i].name + " of " + origin + " holds numbers that are not finite",
                                    .expected = "weights that can be quantised",
                                    .remedy = finite_weights_remedy});
    }
    backbone->quantized_[i] = quantize(source, options.quantization);
  }
  backbone->wiring_ = wire(spec);
  backbone->spec_ = std::move(spec);
  backbone->options_ = options;
  return backbone;
}

std::string Backbone::checksum() const {
  Sha256 hash;
  const std::vector<TensorEntry> entries = spec_.tensors();
  const auto add = [&](const Tensor& stored) {
    const Tensor tensor = stored.cpu();
    hash.update(tensor.const_data_ptr(), tensor.nbytes());
  };
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& quantized = quantized_[i];
    const std::string type(quantized ? enum_name(quantized->kind) : c10::toString(tensors_[i].scalar_type()));
    hash.update(entries[i].name + " " + type + " " + text(entries[i].shape) + "\n");
    if (!quantized) {
      add(tensors_[i]);
      continue;
    }
    for (const Tensor& part : quantized->parts())
      if (part.defined()) add(part);
  }
  return hash.hex();
}

Tensor Backbone::frozen(int parameter_index) const {
  const auto index = static_cast<std::size_t>(parameter_index);
  if (const auto& weight = quantized_.at(index)) return dequantize(*weight, type_of(options_.precision));
  return tensors_[index];
}

int64_t Backbone::rows(int parameter_index) const {
  const auto index = static_cast<std::size_t>(parameter_index);
  return quantized_[index] ? quantized_[index]->shape.front() : tensors_[index].size(0);
}

Tensor Backbone::embedding_rows(const std::vector<int64_t>& ids) const {
  for (const int64_t id : ids) {
    if (id >= 0 && id < spec_.vocab_size) continue;
    throw ConfigError(Problem{.what = "token " + std::to_string(id) + " has no row in the embedding table",
                              .expected = "an id from 0 to " + std::to_string(spec_.vocab_size - 1)});
  }
  const Tensor table = frozen(spec_.parameter(embedding).index);
  return table.index_select(0, at::tensor(ids, at::kLong).to(table.device())).to(at::kFloat);
}

int64_t Backbone::bytes() const {
  int64_t total = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    total += quantized_[i] ? quantized_[i]->bytes() : static_cast<int64_t>(tensors_[i].nbytes());
  return total;
}

}  // namespace peftbench::backbone
