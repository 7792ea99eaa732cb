#pragma once

#include "core/files.h"

#include <optional>
#include <string>
#include <vector>

namespace peftbench {

// Caches of Hugging Face's hub, whose variables are read as its client reads them ("~" and "$NAME" stand for what they
// mean to a shell): $HF_HUB_CACHE or $HUGGINGFACE_HUB_CACHE, then $HF_HOME/hub, then $XDG_CACHE_HOME/huggingface/hub or
// ~/.cache/huggingface/hub, then $TRANSFORMERS_CACHE, where older programs kept models. Each once.
std::vector<fs::path> hub_caches();

enum class HubKind { model, dataset };

// The folder of "org/name" or "name" in a cache.
fs::path hub_folder(const fs::path& cache, HubKind kind, std::string name);
// "org/name", from the folder of a repository of that kind; nothing for other folders.
std::optional<std::string> hub_name(const fs::path& folder, HubKind kind);

// The snapshot that a reference of a repository (main, refs/convert/parquet) names, if it is there.
std::optional<fs::path> referred_snapshot(const fs::path& repository, const std::string& reference);
// All that are there, in order of their commits.
std::vector<fs::path> snapshots_in(const fs::path& repository);

// The folders in a folder, sorted; none where it cannot be read.
std::vector<fs::path> folders_in(const fs::path& parent);

}  // namespace peftbench
