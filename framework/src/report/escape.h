#pragma once

#include "report/layer.h"

#include <string>
#include <string_view>

namespace peftbench::report {

// Names come from files that others wrote. In a table they are text and nothing else.

// One line of Markdown: no markup, no HTML, no end of a cell.
std::string for_markdown(std::string_view text);

// A field of CSV, in one line. Spreadsheets compute what begins with = + - or @: such a text begins with ' here, a
// number stays one.
std::string for_csv(std::string_view text);

}  // namespace peftbench::report
