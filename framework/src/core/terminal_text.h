#pragma once

#include <string>
#include <string_view>

namespace peftbench {

// Names, labels and messages may hold what a terminal obeys: escape sequences (of one byte and of two, ESC [ and CSI),
// carriage returns, marks that turn the direction of writing. Such characters, and bytes that are not UTF-8, are
// written as \x1b or \u202e.

// Text of several lines: line breaks and tabs stay.
std::string for_terminal(std::string_view text);

// Text that must stay in one line, such as a cell of a table: a line break is \n.
std::string in_one_line(std::string_view text);

// JSON with such characters escaped as JSON has it: who reads it gets the same text.
std::string json_for_terminal(std::string_view json);

}  // namespace peftbench
