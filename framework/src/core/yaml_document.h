#pragma once

#include "core/files.h"
#include "core/layer.h"

#include <peftbench/error.h>

#include <cstddef>
#include <string>

namespace YAML {
class Node;
}

// All YAML input is parsed here: one document, at most `max_yaml_depth` levels deep, and bounded in size also
// after aliases are replaced by what they refer to. An alias inside its own anchor is refused.
namespace peftbench::core {

constexpr std::size_t max_yaml_depth = 64;
constexpr std::size_t max_yaml_bytes = 4 << 20;
constexpr std::size_t max_yaml_nodes = 200'000;

// Throws ConfigError naming FILE:LINE.
YAML::Node parse_yaml(const std::string& text, const fs::path& file);
// The same; also throws ConfigError if the file cannot be read.
YAML::Node read_yaml(const fs::path& file);

}  // namespace peftbench::core
