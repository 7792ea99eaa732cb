#pragma once

#include "core/files.h"
#include "results/layer.h"

#include <string>
#include <vector>

namespace peftbench::results {

// A score that others have published. It was not measured here: tables show it apart from their rows.
struct PublishedScore {
  std::string method, task, metric, backbone, citation;
  double score = 0;  // a share, as scores here are: 0.93, and not 93
};

// A YAML file with a list `scores` of such entries; `method`, `backbone` and `citation` beside it are those of entries
// that have none. Throws ConfigError with file and line.
std::vector<PublishedScore> read_published(const fs::path& file);

}  // namespace peftbench::results
