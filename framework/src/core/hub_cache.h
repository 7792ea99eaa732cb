#pragma once

#include "core/files.h"
#include "core/layer.h"

#include <optional>
#include <string>
#include <vector>

namespace peftbench::core {

// The Hugging Face caches, from the same variables as its client ("~" and "$NAME" are expanded as in
// a shell): $HF_HUB_CACHE or $HUGGINGFACE_HUB_CACHE, then $HF_HOME/hub, then $XDG_CACHE_HOME/huggingface/hub or
// ~/.cache/huggingface/hub, then $TRANSFORMERS_CACHE, used by older programs. Without duplicates.
std::vector<fs::path> hub_caches();

enum class HubKind { model, dataset };

// The folder of "org/name" or "name" in a cache.
fs::path hub_folder(const fs::path& cache, HubKind kind, std::string name);
// "org/name", from the folder of a repository of that kind; nothing for other folders.
std::optional<std::string> hub_name(const fs::path& folder, HubKind kind);

// The snapshot of a reference (main, refs/convert/parquet) of a repository, if it exists.
std::optional<fs::path> referred_snapshot(const fs::path& repository, const std::string& reference);
// All existing snapshots, sorted by commit.
std::vector<fs::path> snapshots_in(const fs::path& repository);

// The folders in a folder, sorted; none if it cannot be read.
std::vector<fs::path> folders_in(const fs::path& parent);

}  // namespace peftbench::core
