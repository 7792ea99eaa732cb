#include "report/table.h"

#include "core/names.h"

#include <peftbench/error.h>

namespace peftbench::report {

Cell::Cell(const std::vector<std::string>& list) : shown(join(list)), value(list) {}

Cell count_cell(long long number) { return {with_thousands(number), number}; }

void Table::add(std::vector<Cell> row) {
  if (row.size() != columns.size()) throw Error("a row of a table has another number of cells than its header");
  rows.push_back(std::move(row));
}

}  // namespace peftbench::report
