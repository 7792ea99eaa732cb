#pragma once

#include "adapters/layer.h"
#include "adapters/made_from.h"
#include "backbone/backbone.h"
#include "backbone/hub.h"
#include "config/paths.h"
#include "core/files.h"

#include <memory>
#include <optional>
#include <string>

namespace peftbench::adapters {

// An adapter given by the user, and the backbone in the record of its run, if there is one.
struct AdapterPlace {
  fs::path folder;
  std::string backbone;  // its folder; empty if unknown or missing
  LoadOptions load;
  std::optional<MadeFrom> made_from = {};        // nothing in older adapters, and in other programs'
  std::shared_ptr<const RunRecord> record = {};  // of its run; null where it belongs to none
};

// A run's folder or id (looked for under `runs`), an adapter's folder, or another program's adapter.
AdapterPlace find_adapter(const std::string& name, const fs::path& runs);

// The folder of an adapter that belongs to no run: nothing where `name` is a run's folder or id, or its adapter. Throws
// CheckpointError for a folder that is neither.
std::optional<fs::path> lone_adapter(const std::string& name, const fs::path& runs);

// `given`, or where that is empty the backbone that the run or the adapter names. Throws ConfigError if neither
// does.
ResolvedBackbone backbone_of(const AdapterPlace& place, const std::string& given, const Paths& paths,
                             BackboneNeed need);

}  // namespace peftbench::adapters
