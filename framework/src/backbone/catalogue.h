#pragma once

#include "core/files.h"

#include <peftbench/spec.h>

#include <string>
#include <vector>

namespace peftbench {

// A file of configs/backbones: sizes that are known without weights.
struct CatalogueEntry {
  std::string name;                  // the file's
  std::string summary, source, hub;  // hub: its name on the Hugging Face hub
  std::vector<std::string> aliases;  // models of the same sizes, by their hub names
  BackboneSpec spec;
};

// Throws ConfigError naming file, line and key.
CatalogueEntry read_catalogue_entry(const fs::path& yaml);

// All of a folder, smallest first. Throws ConfigError also where two entries claim one name.
std::vector<CatalogueEntry> read_catalogue(const fs::path& folder);

}  // namespace peftbench
