#pragma once

#include "backbone/backbone.h"
#include "backbone/layer.h"
#include "core/file_memory.h"

#include <map>
#include <optional>
#include <string>

namespace peftbench::backbone {

// Properties of a folder's weights without reading them: from the last time that they were read, if no file
// has changed, or from a checksums.json in the folder, which every included backbone has.
//
// checksums.json is used if config.json and the weights have the recorded sizes and were not modified after
// it. These values are preliminary: they are verified when the weights are loaded (Workbench).
class KnownWeights {
 public:
  // `cache`: folder of the cache; empty: none.
  explicit KnownWeights(fs::path cache) : memory_(std::move(cache)) {}

  // As read_spec: its head is tied as the weights have it. Opens weights only if nothing is known of them.
  BackboneSpec sizes(const fs::path& folder) const;

  bool has_checksum(const fs::path& folder, const LoadOptions& options) const;
  // Backbone::checksum() of the folder loaded with these options. Loads it only if nothing is known.
  std::string checksum(const fs::path& folder, const LoadOptions& options) const;

  // Records the properties of loaded weights.
  void keep(const fs::path& folder, const LoadOptions& options, const Backbone& loaded,
            const std::string& checksum) const;

 private:
  struct Facts {
    std::optional<bool> tied;
    std::map<std::string, std::string> checksums;  // by "float32", "bfloat16 nf4", …
  };
  Facts facts(const fs::path& folder) const;
  void keep(const fs::path& folder, const std::vector<FileState>& before, const Facts& facts) const;

  FileMemory memory_;
};

// "float32", "bfloat16 nf4": keys of checksums.json.
std::string name_of(const LoadOptions& options);

}  // namespace peftbench::backbone
