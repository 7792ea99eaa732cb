#pragma once

#include "backbone/layer.h"
#include "core/files.h"
#include "core/yaml.h"

#include <peftbench/spec.h>

#include <string>
#include <vector>

namespace peftbench::backbone {

// A file of configs/backbones: sizes that are known without weights.
struct CatalogueEntry {
  std::string name;                  // the file's
  std::string summary, source, hub;  // hub: its name on the Hugging Face hub
  std::vector<std::string> aliases;  // models of the same sizes, by their hub names
  BackboneSpec spec;
};

// The sizes of a T5 from the keys d_model, d_kv and so on of a map, which may hold `other_keys` beside them. Throws
// ConfigError with file and line for keys that are missing or unknown, and for values that no T5 has.
void read_sizes(const Yaml& yaml, BackboneSpec& spec, const std::vector<std::string>& other_keys = {});

// Throws ConfigError naming file, line and key.
CatalogueEntry read_catalogue_entry(const fs::path& yaml);

// All of a folder, smallest first. Throws ConfigError also where two entries claim one name.
std::vector<CatalogueEntry> read_catalogue(const fs::path& folder);

}  // namespace peftbench::backbone
