#pragma once

#include "report/layer.h"
#include "report/table.h"

#include <cstddef>
#include <string>
#include <vector>

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

// A `table` environment for each table, to be put into a document with booktabs: caption, label, notes below. A table
// of several parts that is too wide for a page comes in one for each part. The best cells are bold.
std::string render_latex(const std::vector<Table>& tables);

// One page that needs nothing besides: no script, no address. The best cells are <strong>.
std::string render_html(const std::vector<Table>& tables, const std::string& title);

}  // namespace peftbench::report
