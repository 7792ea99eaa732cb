#include "core/json.h"
#include "core/names.h"
#include "report/escape.h"
#include "report/render.h"

namespace peftbench::report {
namespace {

// Nothing for what is absent, "low-high" for two numbers, lists with commas.
std::string plain(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_array() && (value.empty() || value.front().is_string()))
    return join(value.get<std::vector<std::string>>());
  if (value.is_array() && value.size() == 2 && value[0].is_number()) return value[0].dump() + "-" + value[1].dump();
  return json_text(value);
}

}  // namespace

std::string render_csv(const Table& table) {
  std::vector<std::string> keys;
  for (const Column& column : table.columns) keys.push_back(for_csv(column.key));
  std::string text = join(keys, ",") + "\n";
  for (const std::vector<Cell>& row : table.rows) {
    std::vector<std::string> fields;
    for (const Cell& cell : row) fields.push_back(for_csv(plain(cell.value)));
    text += join(fields, ",") + "\n";
  }
  return text;
}

}  // namespace peftbench::report
