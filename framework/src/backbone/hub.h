#pragma once

#include "backbone/layer.h"
#include "core/files.h"

#include <peftbench/spec.h>

#include <optional>
#include <string>
#include <vector>

namespace peftbench::backbone {

// The search path of backbones.
struct BackboneSearch {
  fs::path home;                     // holds assets/backbones/<name>/ and configs/backbones/<name>.yaml
  std::vector<fs::path> hub_caches;  // Hugging Face's, first one first
  fs::path known_weights = {};       // the cache of KnownWeights; empty: none
};

// With the hub's caches as the environment has them (core/hub_cache.h).
BackboneSearch backbone_search(const fs::path& home, const fs::path& known_weights = {});

struct ResolvedBackbone {
  std::string name;
  std::optional<fs::path> folder;  // none: only the sizes are known
  BackboneSpec spec;               // `tied` as config.json suggests; the weights decide when they are loaded
};

enum class BackboneNeed { sizes, weights };

// `name`: the path of a Hugging Face folder; a name in assets/backbones; a name or an alias of configs/backbones
// (t5-v1_1-xxl, google/flan-t5-xxl), whose weights are searched in the hub cache; or a hub name org/name, with
// an optional @revision. Throws ConfigError with the searched folders and instructions for getting the model.
ResolvedBackbone resolve_backbone(const std::string& name, const BackboneSearch& search,
                                  BackboneNeed need = BackboneNeed::weights);

// A row of the command `backbones`.
struct BackboneListing {
  std::string name;
  std::vector<std::string> aliases;
  int64_t parameters = 0;
  std::optional<fs::path> folder;  // none: sizes only
  std::string hub;                 // its name on the hub, where it has one
  std::string source;              // where the sizes are from
  std::string problem;             // why it cannot be used; otherwise empty
};

// Names of all that list_backbones has, and of what else the hub cache holds; no file is opened.
std::vector<std::string> backbone_names(const BackboneSearch& search);
// Other names of what configs/backbones knows.
std::vector<std::string> backbone_aliases(const BackboneSearch& search);

// assets, then configs/backbones by size, then what else the hub cache holds of the T5 family.
std::vector<BackboneListing> list_backbones(const BackboneSearch& search);

}  // namespace peftbench::backbone
