#pragma once

#include "report/layer.h"

#include <string>
#include <string_view>

namespace peftbench::report {

// Names come from files that others wrote. In a table they are text and nothing else.

// One line of Markdown: no markup, no formula, no HTML, no link, no end of a cell.
std::string for_markdown(std::string_view text);

// A field of CSV, in one line. Spreadsheets compute what begins with = + - or @: such a text begins with ' here, a
// number stays one.
std::string for_csv(std::string_view text);

// One line of LaTeX text: no command, no end of a cell, no ligature of two signs, and nothing that a command before it
// takes as its optional argument. What is not ASCII stays UTF-8.
std::string for_latex(std::string_view text);

// One line of HTML, in an element or in an attribute with quotes.
std::string for_html(std::string_view text);

}  // namespace peftbench::report
