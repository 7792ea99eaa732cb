#include "core/yaml.h"

#include "core/names.h"
#include "core/numbers.h"
#include "core/utf8.h"
#include "core/yaml_document.h"

#include <peftbench/error.h>

#include <algorithm>
#include <optional>
#include <set>

namespace peftbench::core {

namespace {

std::string at_line(const fs::path& file, int line) { return file.string() + ":" + std::to_string(line); }

// The mark of an absent value is where the next one begins.
int line_of(const YAML::Node& node, int otherwise) {
  return node.IsNull() || node.Mark().line < 0 ? otherwise : node.Mark().line + 1;
}

}  // namespace

Yaml::Yaml(YAML::Node node, fs::path file, std::string path, int line)
    : node_(std::move(node)),
      file_(std::move(file)),
      path_(std::move(path)),
      line_(line_of(node_, line)),
      key_line_(line) {}

Yaml Yaml::load(const fs::path& file) {
  if (std::optional<Yaml> root = load_if_any(file)) return std::move(*root);
  Yaml(YAML::Node(), file, {}, 1).fail("the file is empty", "nothing", "lines like 'key: value'");
}

std::optional<Yaml> Yaml::load_if_any(const fs::path& file) {
  Yaml root(read_yaml(file), file, {}, 1);
  if (root.is_null()) return std::nullopt;
  if (!root.is_map()) root.fail("the file is not a map of keys to values", root.found(), "lines like 'key: value'");
  return root;
}

std::string Yaml::place() const { return at_line(file_, line_); }
std::string Yaml::key_place() const { return at_line(file_, key_line_); }
std::string Yaml::named() const { return path_.empty() ? "the file" : "'" + path_ + "'"; }

void Yaml::fail(const std::string& what, const std::string& found, const std::string& expected,
                const std::string& remedy) const {
  throw ConfigError(Problem{place() + ": " + what, found, expected, remedy.empty() ? "correct this line" : remedy});
}

std::string Yaml::found() const {
  switch (node_.Type()) {
    case YAML::NodeType::Scalar:
      return printable(node_.Scalar());
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a map";
    default:
      return "nothing";
  }
}

std::vector<std::pair<std::string, Yaml>> Yaml::entries() const {
  if (!is_map()) fail(named() + " must be a map", found(), "lines like 'key: value' under it");
  std::vector<std::pair<std::string, Yaml>> result;
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar()) fail("a key of " + named() + " is not a string", "a list or a map", "a string");
    const std::string& key = entry.first.Scalar();
    const int line = line_of(entry.first, line_);
    Yaml value(entry.second, file_, path_.empty() ? key : path_ + "." + key, line);
    if (!seen.insert(key).second) {
      value.line_ = value.key_line_;
      value.fail("duplicate key '" + value.path_ + "'", {}, {}, "keep one of the two");
    }
    result.emplace_back(key, std::move(value));
  }
  return result;
}

void Yaml::only(const std::vector<std::string>& keys) const {
  for (const auto& [key, value] : entries()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    value.fail("unknown key '" + key + "' in " + named(), key, "one of " + join(keys), did_you_mean(key, keys));
  }
}

bool Yaml::has(const std::string& key) const {
  const YAML::Node& node = node_;  // const: looking must not insert
  return is_map() && node[key].IsDefined();
}

Yaml Yaml::at(const std::string& key) const {
  for (auto& [name, value] : entries()) {
    if (name == key) return value;
  }
  fail("'" + key + "' is missing in " + named(), {}, "a line '" + key + ": …'");
}

std::vector<Yaml> Yaml::items() const {
  if (is_scalar()) return {*this};
  if (!is_list()) fail(named() + " must be a list", found(), "[a, b, …]");
  std::vector<Yaml> result;
  for (const auto& item : node_) result.push_back(Yaml(item, file_, path_, line_));
  return result;
}

const std::string& Yaml::text() const {
  if (!is_scalar()) fail(named() + " must be a string", found(), "a string");
  if (invalid_utf8(node_.Scalar())) fail(named() + " is not UTF-8", found(), "UTF-8 text");
  return node_.Scalar();
}

std::vector<std::string> Yaml::texts() const {
  std::vector<std::string> result;
  for (const Yaml& item : items()) result.push_back(item.text());
  return result;
}

double Yaml::number() const {
  const std::string& digits = text();
  const std::optional<double> value = parse_number<double>(digits);
  if (!value) fail(named() + " must be a number", found(), "a number");
  return *value;
}

long long Yaml::integer() const {
  const std::string& digits = text();
  const std::optional<long long> value = parse_number<long long>(digits);
  if (!value) fail(named() + " must be a whole number", found(), "a whole number");
  return *value;
}

bool Yaml::flag() const {
  bool value = false;
  if (!is_scalar() || !YAML::convert<bool>::decode(node_, value))
    fail(named() + " must be true or false", found(), "true or false");
  return value;
}

fs::path find_yaml(const std::string& name_or_file, const fs::path& folder, const std::string& kind) {
  if (file_exists(name_or_file)) return name_or_file;
  if (const fs::path file = folder / (name_or_file + ".yaml"); file_exists(file)) return file;
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  throw ConfigError({.what = "there is no " + kind + " '" + name_or_file + "'",
                     .expected = "a YAML file, or a name in " + folder.string(),
                     .remedy = names.empty() ? std::string() : did_you_mean(name_or_file, names)});
}

}  // namespace peftbench::core
