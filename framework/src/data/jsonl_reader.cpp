#include "data/jsonl_reader.h"

#include "core/utf8.h"

#include <charconv>

namespace peftbench {

namespace {

using Json = nlohmann::json;

const Json* member(const Json& value, std::string_view key) {
  if (value.is_object()) {
    const auto found = value.find(key);
    return found == value.end() ? nullptr : &*found;
  }
  if (!value.is_array()) return nullptr;
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  return error == std::errc() && end == key.data() + key.size() && index < value.size() ? &value[index] : nullptr;
}

// A key may hold a dot itself, so the whole name is tried before its parts.
const Json* find(const Json& value, std::string_view path) {
  if (const Json* found = member(value, path)) return found;
  for (std::size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
    const Json* inner = member(value, path.substr(0, dot));
    if (inner == nullptr) continue;
    if (const Json* found = find(*inner, path.substr(dot + 1))) return found;
  }
  return nullptr;
}

// Only as deep as anyone would write in a template; deeper rows are still read.
void add_names(const Json& value, const std::string& prefix, int depth, std::vector<std::string>& names) {
  for (const auto& [key, inner] : value.items()) {
    if ((inner.is_object() || inner.is_array()) && !inner.empty() && depth < 4) {
      add_names(inner, prefix + key + ".", depth + 1, names);
    } else if (names.size() < 100) {
      names.push_back(prefix + key);
    }
  }
}

}  // namespace

JsonlReader::JsonlReader(fs::path file) : RowReader(std::move(file)), in_(file_, std::ios::binary) {}

bool JsonlReader::next() {
  for (std::string text; std::getline(in_, text);) {
    std::string_view line = text;
    if (++line_ == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    check_utf8(line);
    try {
      row_ = Json::parse(line);
    } catch (const Json::exception& error) {
      // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while …"
      std::string_view what = error.what();
      if (const std::size_t column = what.find("column "); column != std::string_view::npos) what.remove_prefix(column);
      fail("not JSON", printable(what, 200), "one JSON object a line: {\"text\": \"…\", \"label\": \"…\"}",
           line.front() == '[' ? "write each item of the list on a line of its own" : "");
    }
    if (!row_.is_object()) {
      fail("the line is not a JSON object", std::string("a JSON ") + row_.type_name(),
           "{\"text\": \"…\", \"label\": \"…\"}");
    }
    return true;
  }
  return false;
}

std::optional<std::string> JsonlReader::field(const std::string& name) const {
  const Json* value = find(row_, name);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_primitive()) return value->dump();
  const std::string inside = value->is_object() && !value->empty() ? value->begin().key() : "0";
  fail("the field '" + name + "' is not a text", std::string("a JSON ") + value->type_name(),
       "a text, number or truth value", "name what is inside it: '" + name + "." + inside + "'");
}

std::vector<std::string> JsonlReader::names() const {
  std::vector<std::string> result;
  add_names(row_, "", 0, result);
  return result;
}

}  // namespace peftbench
