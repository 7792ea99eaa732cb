#pragma once

#include "backbone/backbone.h"
#include "core/file_memory.h"

#include <map>
#include <optional>
#include <string>

namespace peftbench {

// What a folder's weights are, known without opening them: from the last time that they were read, as long as no file
// has changed, or from a checksums.json beside them, which every shipped backbone has.
//
// checksums.json is believed while config.json and the weights have the sizes that it gives and none was written after
// it. All of this is a forecast: whoever loads weights compares (Workbench).
class KnownWeights {
 public:
  // `cache`: where facts are kept; empty: nowhere.
  explicit KnownWeights(fs::path cache) : memory_(std::move(cache)) {}

  // As read_spec: its head is tied as the weights have it. Opens weights only if nothing is known of them.
  BackboneSpec sizes(const fs::path& folder) const;

  bool has_checksum(const fs::path& folder, const LoadOptions& options) const;
  // Backbone::checksum() of the folder loaded with these options. Loads it only if nothing is known.
  std::string checksum(const fs::path& folder, const LoadOptions& options) const;

  // Of what was just loaded from the folder.
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

}  // namespace peftbench
