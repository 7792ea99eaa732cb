#pragma once

#include "report/layer.h"
#include "report/table.h"

#include <cstddef>
#include <string>

namespace peftbench::report {

// Forms of a table, each in a file of its own. What stands in a cell may come from files that others wrote: in every
// form it is text, and nothing else.

// Aligned by columns of the terminal, title above and notes below. With a `width` the last column is wrapped if it is
// set to the left, notes are wrapped, and a table that is wider comes in its parts; 0: as wide as it is.
std::string render_text(const Table& table, std::size_t width = 0);

std::string render_markdown(const Table& table);

// Columns by their keys, values in full: no title and no notes.
std::string render_csv(const Table& table);
Json render_json(const Table& table);  // a list of rows

}  // namespace peftbench::report
