#pragma once

#include "architectures/layer.h"

#include <peftbench/spec.h>

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace peftbench::architectures {

class ConfigKeys;

// Names of the tensors of a Hugging Face folder. {stack}, {layer}, {place} (of the sublayer in its block: 0, 1, 2),
// {module} and {map} are filled in.
struct TensorNames {
  std::string_view embedding, lm_head, norm, final_norm, position_bias, linear;
  std::string_view self, cross, ffn;  // {module} of each sublayer
  // {map} where the file has another name than LinearSite::map.
  std::vector<std::pair<std::string_view, std::string_view>> maps = {};
  // The table of embeddings by its other names: writers differ in which of the tied ones they keep.
  std::vector<std::string_view> embedding_copies = {};
  std::vector<std::string_view> unused = {};  // in some files; no version of the model reads them
};

// An entry of config.json that is written.
using ConfigEntry = std::pair<std::string, std::variant<bool, int64_t, double, std::string, std::vector<std::string>>>;

// Everything that the program knows of a kind of model but its layers: the names, sizes and switches of its files.
struct Architecture {
  std::string_view name;                      // BackboneSpec::architecture
  std::vector<std::string_view> model_types;  // of config.json
  TensorNames names;
  // Sizes and switches from config.json, and from generation_config.json beside it. Adds its complaints to the keys.
  BackboneSpec (*read_config)(std::string_view model_type, ConfigKeys& config, ConfigKeys& generation);
  // What read_config reads, in the order in which it is written; the number type is added by the caller.
  std::vector<ConfigEntry> (*write_config)(const BackboneSpec& spec);
  // Standard deviation of the weights before pre-training; norms are 1.
  double (*initial_deviation)(const BackboneSpec& spec, const TensorRole& role);
};

// All that are known, in the order of their files.
const std::vector<const Architecture*>& all_architectures();
// Throws ConfigError for an unknown name.
const Architecture& architecture_named(std::string_view name);
// Null if no architecture has this model_type.
const Architecture* architecture_of(std::string_view model_type);

std::string tensor_name(const Architecture& architecture, const TensorRole& role);

}  // namespace peftbench::architectures
