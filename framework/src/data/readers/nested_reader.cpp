#include "data/readers/nested_reader.h"

#include "core/json.h"
#include "core/names.h"
#include "core/numbers.h"
#include "core/utf8.h"

#include <algorithm>
#include <charconv>

namespace peftbench::data {

namespace {

using Json = nlohmann::json;

const Json* member(const Json& value, std::string_view key) {
  if (value.is_object()) {
    const auto found = value.find(key);
    return found == value.end() ? nullptr : &*found;
  }
  if (!value.is_array()) return nullptr;
  const std::optional<std::size_t> index = parse_number<std::size_t>(key);
  return index && *index < value.size() ? &value[*index] : nullptr;
}

// A key may hold a dot itself, so the whole name is tried before its parts.
const Json* at_path(const Json& value, std::string_view path) {
  if (const Json* found = member(value, path)) return found;
  for (std::size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
    const Json* inner = member(value, path.substr(0, dot));
    if (inner == nullptr) continue;
    if (const Json* found = at_path(*inner, path.substr(dot + 1))) return found;
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

bool NestedReader::next() {
  while (row_ == rows_.size()) {
    rows_.clear();
    row_ = 0;
    if (!next_document(document_)) return false;
    collect(document_, {});
  }
  ++row_;
  return true;
}

void NestedReader::collect(const Json& value, Row row) {
  const std::size_t step = consumed_ + row.scopes.size();
  if (!value.is_object()) {
    fail("a record is not a JSON object", std::string("a JSON ") + value.type_name(), R"({"text": "…", "label": "…"})");
  }
  if (value.size() > limits_.columns) too_many_columns("write the rows with fewer fields");
  row.scopes.push_back(&value);
  if (step == records_.size()) {
    rows_.push_back(std::move(row));
    return;
  }
  const auto inner = value.find(records_[step]);
  if (inner == value.end()) {
    std::vector<std::string> keys;
    for (const auto& [key, ignored] : value.items()) keys.push_back(key);
    fail("there is no '" + records_[step] + "' on the path to the records", "the keys " + join(keys),
         "the keys of 'records: " + join(records_, ".") + "'", did_you_mean(records_[step], keys));
  } else if (inner->is_array()) {
    for (const Json& item : *inner) collect(item, row);
  } else if (!inner->is_null()) {
    collect(*inner, std::move(row));
  }
}

const NestedReader::Json* NestedReader::find(const std::string& name) const {
  if (row_ == 0) return nullptr;
  const std::vector<const Json*>& scopes = rows_[row_ - 1].scopes;
  const bool rooted = name.starts_with('.');
  if (!rooted) {
    for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
      if (const Json* found = at_path(**scope, name)) return found;
    }
  }
  // The full path leads through lists, which has no index for the record's own items.
  const std::string_view path = std::string_view(name).substr(rooted ? 1 : 0);
  for (std::size_t level = scopes.size(); level-- > 0;) {
    std::string prefix;
    for (std::size_t key = 0; key < consumed_ + level; ++key) prefix += records_[key] + ".";
    if (!path.starts_with(prefix)) continue;
    if (const Json* found = at_path(*scopes[level], path.substr(prefix.size()))) return found;
  }
  return nullptr;
}

std::optional<std::string> NestedReader::value(const std::string& name) const {
  const Json* value = find(name);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_binary()) {
    fail("the field '" + name + "' is not UTF-8 text",
         with_thousands(static_cast<long long>(value->get_binary().subtype())) + " bytes of binary data",
         "a text field", "use another field; convert text in another encoding to UTF-8");
  }
  if (value->is_primitive()) return value->dump();
  const std::string inside = value->is_object() && !value->empty() ? value->begin().key() : "0";
  fail("the field '" + name + "' is not a string", std::string("a JSON ") + value->type_name(),
       "a string, number or boolean", "give a field inside it: '" + name + "." + inside + "'");
}

std::size_t NestedReader::items(const std::string& name) const {
  const Json* value = find(name);
  return value != nullptr && value->is_array() ? value->size() : 0;
}

std::vector<std::string> NestedReader::fields() const {
  std::vector<std::string> result;
  if (row_ == 0) return result;
  const std::vector<const Json*>& scopes = rows_[row_ - 1].scopes;
  for (std::size_t level = scopes.size(); level-- > 0;) {
    const bool outer = level + 1 < scopes.size();  // its way to the record is no field
    for (const auto& [key, inner] : scopes[level]->items()) {
      if (outer && key == records_[consumed_ + level]) continue;
      std::vector<std::string> names;
      add_names(Json::object({{key, inner}}), "", 0, names);
      for (const std::string& name : names) {
        if (result.size() < 100 && std::find(result.begin(), result.end(), name) == result.end())
          result.push_back(name);
      }
    }
  }
  return result;
}

std::string NestedReader::place() const {
  const bool whole = records_.size() == consumed_ || row_ == 0;
  return document_place() + (whole ? "" : ", record " + std::to_string(row_));
}

NestedReader::Json NestedReader::parse(std::string_view text, const std::string& expected, const std::string& remedy) {
  check_utf8(text);
  JsonFault fault;
  std::optional<Json> json = parse_json<Json>(text, fault, Numbers::as_written);
  if (json) return std::move(*json);
  if (fault.line > 1) line_ += static_cast<std::int64_t>(fault.line) - 1;
  fail("not JSON", fault.line > 0 ? "column " + std::to_string(fault.column) + ": " + fault.what : fault.what, expected,
       remedy);
}

}  // namespace peftbench::data
