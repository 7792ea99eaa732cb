#pragma once

#include "cli/layer.h"

#include <string>

namespace peftbench::cli {

// Of a message, for a row of a table.
inline std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace peftbench::cli
