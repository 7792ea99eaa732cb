#pragma once

#include "config/layer.h"
#include "core/files.h"

#include <optional>
#include <string>
#include <vector>

namespace peftbench::config {

// The file of trained values in a folder: of our adapter, of a run's adapter, of a checkpoint, of Hugging Face's
// adapter; the first that is there.
std::optional<fs::path> value_file_in(const fs::path& folder);
std::vector<std::string> value_file_names();  // those names, in that order

// Hugging Face's description beside a file of its tensors; nothing for other files.
std::optional<fs::path> peft_config_of(const fs::path& file);

// The files that are read where a parameter names this path: none where it is neither a file nor a folder of values. A
// run's identity has their hash.
std::vector<fs::path> files_of_values(const fs::path& path);

}  // namespace peftbench::config
