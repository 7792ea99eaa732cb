#include "core/files.h"
#include "core/write_files.h"
#include "results/record_fields.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>
#include <utility>

// docs/record.schema.json and the table of docs/results-schema.md, made from the list of results/record_fields.h.
namespace peftbench::record_schema_test {

using namespace layers;

namespace {

constexpr const char* how = "PEFTBENCH_WRITE_DOCS=1 ./run-tests RecordSchema makes it anew";

// What lists and maps hold has a name: in the schema, and for telling it a second time.
template <class T>
constexpr const char* name_of = nullptr;
template <>
constexpr const char* name_of<MetricRecord> = "metric";
template <>
constexpr const char* name_of<TaskScore> = "task_score";
template <>
constexpr const char* name_of<PhaseCost> = "phase";
template <>
constexpr const char* name_of<LedgerRowParts> = "ledger_row";
template <>
constexpr const char* name_of<LabelParts> = "label";
template <>
constexpr const char* name_of<TextParts> = "texts";

template <class T>
struct Parts {
  static constexpr bool optional = false, list = false, map = false;
};
template <class T>
struct Parts<std::optional<T>> {
  using Of = T;
  static constexpr bool optional = true, list = false, map = false;
};
template <class T>
struct Parts<std::vector<T>> {
  using Of = T;
  static constexpr bool optional = false, list = true, map = false;
};
template <class T>
struct Parts<std::map<std::string, T>> {
  using Of = T;
  static constexpr bool optional = false, list = false, map = true;
};

std::vector<std::string> values_of(const Field& field) {
  std::vector<std::string> values;
  if (*field.one_of == '\0') return values;
  std::istringstream text(field.one_of);
  for (std::string value; std::getline(text, value, '|');) values.push_back(value);
  return values;
}

std::string description(const Field& field) {
  std::string text = field.meaning;
  if (field.presence == Presence::newer) text += ". Absent in older records";
  if (field.since > 1) text += ". Since version " + std::to_string(field.since);
  return text;
}

// ---- JSON Schema

class SchemaVisitor {
 public:
  explicit SchemaVisitor(Json& definitions) : definitions_(definitions) {}

  template <class T>
  void operator()(const Field& field, T&) {
    add(field, schema_of<T>());
  }
  template <class T>
  void operator()(const Field& field, Json&, Holds<T>) {
    add(field, schema_of<T>());
  }
  void add(const Field& field, const Json& type) {
    Json property = {{"description", description(field)}};
    property.update(type);
    if (const auto values = values_of(field); !values.empty()) property["enum"] = values;
    properties_[field.key] = property;
    if (field.presence == Presence::always) required_.push_back(field.key);
  }
  Json object() const {
    Json json = {{"type", "object"}, {"properties", properties_}};
    if (!required_.empty()) json["required"] = required_;
    return json;
  }

 private:
  template <class T>
  Json schema_of() {
    if constexpr (Parts<T>::optional) {
      Json json = schema_of<typename Parts<T>::Of>();
      if (json["type"].is_string()) json["type"] = {json["type"], "null"};
      return json;
    } else if constexpr (Parts<T>::list) {
      return {{"type", "array"}, {"items", item_of<typename Parts<T>::Of>()}};
    } else if constexpr (Parts<T>::map) {
      return {{"type", "object"}, {"additionalProperties", item_of<typename Parts<T>::Of>()}};
    } else if constexpr (std::same_as<T, Interval>) {
      return {{"type", "array"}, {"items", schema_of<double>()}, {"minItems", 2}, {"maxItems", 2}};
    } else if constexpr (std::same_as<T, std::string>) {
      return {{"type", "string"}};
    } else if constexpr (std::same_as<T, bool>) {
      return {{"type", "boolean"}};
    } else if constexpr (std::unsigned_integral<T>) {
      return {{"type", "integer"}, {"minimum", 0}};
    } else if constexpr (std::integral<T>) {
      return {{"type", "integer"}};
    } else if constexpr (std::same_as<T, double>) {
      return {{"type", {"number", "null"}}};  // JSON has no NaN
    } else if constexpr (std::same_as<T, Json>) {
      return {{"type", "object"}};
    } else {
      T value;
      SchemaVisitor visitor(definitions_);
      visit_fields(visitor, value);
      return visitor.object();
    }
  }
  template <class T>
  Json item_of() {
    if constexpr (Listed<T>) {
      if (!definitions_.contains(name_of<T>)) {
        definitions_[name_of<T>] = nullptr;  // its place, before what it holds
        definitions_[name_of<T>] = schema_of<T>();
      }
      return {{"$ref", std::string("#/$defs/") + name_of<T>}};
    } else {
      return schema_of<T>();
    }
  }

  Json& definitions_;
  Json properties_ = Json::object();
  std::vector<std::string> required_;
};

std::string schema() {
  Json definitions = Json::object();
  SchemaVisitor visitor(definitions);
  visitor.add(schema_version_field, {{"const", RunRecord::schema}});
  RunRecord record;
  visit_fields(visitor, record);
  Json json = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
               {"title", "record.json of a run of peft-bench"},
               {"$comment", std::string("made from framework/src/results/record_fields.h: ") + how}};
  json.update(visitor.object());
  json["$defs"] = definitions;
  return json.dump(2) + "\n";
}

// ---- Markdown

class TableVisitor {
 public:
  template <class T>
  void operator()(const Field& field, T&) {
    row<T>(field);
  }
  template <class T>
  void operator()(const Field& field, Json&, Holds<T>) {
    row<T>(field);
  }
  void line(const Field& field, const std::string& type, const std::string& more = "") {
    std::string text = description(field), values;
    for (const std::string& value : values_of(field))
      values += (values.empty() ? "`" : ", `") + (value.empty() ? "\"\"" : value) + "`";
    if (!values.empty()) text += ". One of " + values;
    lines_ += "| `" + prefix_ + field.key + "` | " + type + " | " + text + more + " |\n";
  }
  const std::string& lines() const { return lines_; }

 private:
  static std::string plural(std::string type) {
    return type.insert(std::min(type.find(' '), type.size()), "s");  // "lists of …"
  }
  template <class T>
  static std::string type_of() {
    if constexpr (Parts<T>::optional)
      return type_of<typename Parts<T>::Of>() + " or null";
    else if constexpr (Parts<T>::list)
      return "list of " + plural(type_of<typename Parts<T>::Of>());
    else if constexpr (Parts<T>::map)
      return "object of " + plural(type_of<typename Parts<T>::Of>());
    else if constexpr (std::same_as<T, Interval>)
      return "list of 2 numbers";
    else if constexpr (std::same_as<T, std::string>)
      return "string";
    else if constexpr (std::same_as<T, bool>)
      return "boolean";
    else if constexpr (std::integral<T>)
      return "integer";
    else if constexpr (std::same_as<T, double>)
      return "number";
    else
      return "object";
  }

  template <class T>
  void row(const Field& field) {
    if constexpr (Parts<T>::list || Parts<T>::map) {
      using Item = typename Parts<T>::Of;
      if constexpr (Listed<Item>) {
        const std::string path = prefix_ + field.key + (Parts<T>::list ? "[]" : ".*");
        const auto [known, is_new] = told_.emplace(name_of<Item>, path);
        line(field, type_of<T>(), is_new ? "" : ". Fields as of `" + known->second + "`");
        if (is_new) below<Item>(path + ".");
        return;
      }
    }
    line(field, type_of<T>());
    if constexpr (Listed<T>) {
      below<T>(prefix_ + field.key + ".");
    } else if constexpr (Parts<T>::optional) {
      if constexpr (Listed<typename Parts<T>::Of>) below<typename Parts<T>::Of>(prefix_ + field.key + ".");
    }
  }
  template <class T>
  void below(const std::string& prefix) {
    const std::string before = std::exchange(prefix_, prefix);
    T value;
    visit_fields(*this, value);
    prefix_ = before;
  }

  std::string prefix_, lines_;
  std::map<std::string, std::string> told_;  // name of an item: where its fields stand
};

std::string table() {
  TableVisitor visitor;
  visitor.line(schema_version_field, "integer", ": this is version " + std::to_string(RunRecord::schema));
  RunRecord record;
  visit_fields(visitor, record);
  return "| field | type | meaning |\n|---|---|---|\n" + visitor.lines();
}

// ---- the files

const fs::path docs = fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "docs";
const std::string begin = "<!-- record: made from framework/src/results/record_fields.h -->\n";
const std::string end = "<!-- end of record -->\n";

bool writes() { return std::getenv("PEFTBENCH_WRITE_DOCS") != nullptr; }

TEST(RecordSchema, FileIsThatOfTheListedFields) {
  const fs::path file = docs / "record.schema.json";
  if (writes()) write_atomically(file, schema());
  EXPECT_EQ(read_text(file), schema()) << how;
}

TEST(RecordSchema, TableOfTheDocumentationIsThatOfTheListedFields) {
  const fs::path file = docs / "results-schema.md";
  const std::string page = read_text(file);
  const std::size_t from = page.find(begin), to = page.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos && from < to) << "its marks are gone";
  const std::size_t first = from + begin.size();
  if (writes()) write_atomically(file, page.substr(0, first) + table() + page.substr(to));
  const std::string now = read_text(file);
  EXPECT_EQ(now.substr(first, now.find(end) - first), table()) << how;
}

struct Keys {
  template <class T, class... Held>
  void operator()(const Field& field, const T&, Held...) {
    EXPECT_TRUE(keys.insert(field.key).second) << field.key;
  }
  std::set<std::string> keys;
};

// A field that is listed twice would be written once.
TEST(RecordSchema, HasEachKeyOnce) {
  Keys of_record, of_task;
  const RunRecord record;
  const TaskScore task;
  visit_fields(of_record, record);
  visit_fields(of_task, task);
  EXPECT_EQ(to_json(record).size(), of_record.keys.size() + 1);  // and the version
}

}  // namespace
}  // namespace peftbench::record_schema_test
