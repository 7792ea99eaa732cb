#pragma once

#include "core/layer.h"

#include <string>
#include <string_view>

namespace peftbench::core {

// Of a message with several lines: what goes into a note or a row of a table.
inline std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

}  // namespace peftbench::core
