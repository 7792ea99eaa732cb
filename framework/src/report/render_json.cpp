#include "report/render.h"

namespace peftbench::report {

Json render_json(const Table& table) {
  Json rows = Json::array();
  for (const std::vector<Cell>& row : table.rows) {
    Json object = Json::object();
    for (std::size_t c = 0; c < row.size(); ++c) object[table.columns[c].key] = row[c].value;
    rows.push_back(std::move(object));
  }
  return rows;
}

}  // namespace peftbench::report
