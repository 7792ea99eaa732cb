#include "run/settings.h"

#include "core/names.h"
#include "core/yaml.h"

#include <peftbench/error.h>
#include <peftbench/pattern.h>

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

namespace peftbench {
namespace {

class Reader {
 public:
  explicit Reader(const fs::path& file) : file_(file.string()), base_(fs::absolute(file).parent_path()) {}

  SettingsBlock read(const YAML::Node& root) {
    SettingsBlock block;
    if (root.IsNull()) return block;
    if (!root.IsMap()) throw fault(root, "the file is not a map of settings", "key: value lines");
    std::set<std::string> seen;
    for (const auto& pair : root) {
      const std::string key = unique_key(pair.first, seen);
      if (key == "on") {
        read_conditions(pair.second, block);
      } else {
        // `task: movies` is short for `task: {name: movies}`.
        const bool named = !pair.second.IsMap() && (key == "task" || key == "backbone");
        add(block, named ? key + ".name" : key, pair.first, pair.second);
      }
    }
    return block;
  }

 private:
  std::string origin(const YAML::Node& node) const { return file_ + ":" + std::to_string(node.Mark().line + 1); }

  ConfigError fault(const YAML::Node& node, const std::string& what, const std::string& expected) const {
    return ConfigError({origin(node) + ": " + what, {}, expected, "correct the line; see docs/cli.md for the format"});
  }

  std::string unique_key(const YAML::Node& node, std::set<std::string>& seen) const {
    if (!node.IsScalar()) throw fault(node, "a key is not a string", "key: value");
    if (!seen.insert(node.Scalar()).second) throw fault(node, "duplicate key '" + node.Scalar() + "'", "each key once");
    return node.Scalar();
  }

  void read_conditions(const YAML::Node& node, SettingsBlock& block) {
    if (!node.IsMap())
      throw fault(node, "'on' is not a map", "names of tasks or backbones, each with a map of settings");
    std::set<std::string> seen;
    for (const auto& pair : node)
      block.conditions.push_back({unique_key(pair.first, seen), origin(pair.first), read(pair.second), base_});
  }

  void add(SettingsBlock& block, const std::string& key, const YAML::Node& name, const YAML::Node& value) const {
    if (value.IsMap()) {
      std::set<std::string> seen;
      for (const auto& pair : value) add(block, key + "." + unique_key(pair.first, seen), pair.first, pair.second);
    } else if (value.IsScalar()) {
      block.settings.push_back({key, value.Scalar(), origin(name), base_});
    } else if (value.IsSequence()) {
      Names items;
      for (const auto& item : value) {
        if (!item.IsScalar())
          throw fault(name, "the list of '" + key + "' contains something other than strings and numbers", "[a, b]");
        items.push_back(item.Scalar());
      }
      block.settings.push_back({key, std::move(items), origin(name), base_});
    } else {
      throw fault(name, "'" + key + "' has no value", "a string, a number or a list of them");
    }
  }

  std::string file_;
  fs::path base_;
};

}  // namespace

SettingsBlock read_settings(const fs::path& file) { return Reader(file).read(read_yaml(file)); }

SettingsBlock read_settings(const YAML::Node& node, const fs::path& file) { return Reader(file).read(node); }

Setting parse_set(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw ConfigError({"--set takes key=value", "'" + text + "'", "--set length=20 or --set train.batch_size=16",
                       "write key=value without spaces around '='"});
  std::string key = text.substr(0, equals);
  if (key.find('.') == std::string::npos) key = "set." + key;
  return {key, text.substr(equals + 1), "--set " + text};
}

std::string text_of(const Setting& setting) {
  const auto* list = std::get_if<Names>(&setting.value);
  return setting.key + "=" + (list ? join(*list, ",") : std::get<std::string>(setting.value));
}

std::optional<fs::path> existing_path(const std::string& text, const fs::path& base) {
  std::error_code error;
  if (text.empty()) return std::nullopt;
  for (const fs::path& folder : {base, fs::current_path(error)}) {
    const fs::path path = (folder / text).lexically_normal();
    if (!folder.empty() && fs::exists(path, error)) return path;
  }
  return std::nullopt;
}

bool fits_condition(const SettingsBlock::Condition& condition, const Called& called) {
  const Pattern pattern = Pattern::glob(condition.name);
  const auto is_called = [&](const std::string& name) { return pattern.matches(name); };
  if (std::any_of(called.names.begin(), called.names.end(), is_called)) return true;
  std::error_code error;
  const auto place = called.place.empty() ? std::nullopt : existing_path(condition.name, condition.base);
  return place && fs::equivalent(*place, called.place, error);
}

std::vector<Setting> in_force(const SettingsBlock& block, const std::vector<Called>& subjects) {
  std::vector<Setting> settings = block.settings;
  for (const auto& condition : block.conditions) {
    const auto fits = [&](const Called& called) { return fits_condition(condition, called); };
    if (std::none_of(subjects.begin(), subjects.end(), fits)) continue;
    const std::vector<Setting> more = in_force(condition.block, subjects);
    settings.insert(settings.end(), more.begin(), more.end());
  }
  return settings;
}

std::vector<const SettingsBlock::Condition*> conditions_of(const SettingsBlock& block) {
  std::vector<const SettingsBlock::Condition*> all;
  for (const auto& condition : block.conditions) {
    all.push_back(&condition);
    const auto inner = conditions_of(condition.block);
    all.insert(all.end(), inner.begin(), inner.end());
  }
  return all;
}

}  // namespace peftbench
