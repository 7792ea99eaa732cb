#pragma once

#include "core/layer.h"

#include <string>
#include <string_view>

namespace peftbench::core {

// Names, labels and messages may contain terminal controls: escape sequences (of one byte and of two, ESC [ and CSI),
// carriage returns, marks that change the writing direction. Such characters, and bytes that are not UTF-8, are
// written as \x1b or \u202e.

// Text of several lines: line breaks and tabs stay.
std::string for_terminal(std::string_view text);

// Text that must stay in one line, such as a cell of a table: a line break is \n.
std::string in_one_line(std::string_view text);

// JSON with such characters escaped by JSON's rules: parsing it gives the same text.
std::string json_for_terminal(std::string_view json);

}  // namespace peftbench::core
