#include "report/table.h"

#include "core/names.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::report {

Cell::Cell(const std::vector<std::string>& list) : shown(join(list)), value(list) {}

Cell count_cell(long long number) { return {with_thousands(number), number}; }

void Table::add(std::vector<Cell> row) {
  if (row.size() != columns.size()) throw Error("a row of a table has another number of cells than its header");
  rows.push_back(std::move(row));
}

void Table::add_rule() {
  if (!rows.empty() && !has_rule(rows.size())) rules.push_back(rows.size());
}

bool Table::has_rule(std::size_t row) const { return std::find(rules.begin(), rules.end(), row) != rules.end(); }

}  // namespace peftbench::report
