#pragma once

#include "report/layer.h"
#include "report/table.h"

#include <cstddef>
#include <string>
#include <vector>

namespace peftbench::report {

using ColumnPlaces = std::vector<std::size_t>;

// The parts of a table that is too wide (Column::part), in the order of its columns.
std::vector<int> column_parts(const Table& table);

// The first column, and those of the part; every column for no part.
ColumnPlaces columns_of(const Table& table, const int* part);

// Whether a cell of the column is tied: the others then leave room for its mark.
bool has_tied(const Table& table, std::size_t column);

// A line of a note with the form's mark of tied cells where it begins with tied_mark.
std::string with_mark(const std::string& line, const std::string& mark);

// Whether a row stands in a part with these columns: one below a rule only if it has something to show there.
bool is_shown(const Table& table, std::size_t row, const ColumnPlaces& places);

// Columns of a terminal that these columns take, two apart.
std::size_t natural_width(const Table& table, const ColumnPlaces& places);

}  // namespace peftbench::report
