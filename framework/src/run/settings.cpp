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
  explicit Reader(const fs::path& file) : file_(file.string()) {}

  SettingsBlock read(const YAML::Node& root) {
    SettingsBlock block;
    if (root.IsNull()) return block;
    if (!root.IsMap()) throw fault(root, "the file is not a table of settings", "key: value lines");
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
    return ConfigError({origin(node) + ": " + what, {}, expected, "correct the line; docs/cli.md shows the format"});
  }

  std::string unique_key(const YAML::Node& node, std::set<std::string>& seen) const {
    if (!node.IsScalar()) throw fault(node, "a key is not a word", "key: value");
    if (!seen.insert(node.Scalar()).second)
      throw fault(node, "the key '" + node.Scalar() + "' stands here for the second time", "each key once");
    return node.Scalar();
  }

  void read_conditions(const YAML::Node& node, SettingsBlock& block) {
    if (!node.IsMap()) throw fault(node, "'on' is not a table", "names of tasks or backbones with settings below each");
    std::set<std::string> seen;
    for (const auto& pair : node)
      block.conditions.push_back({unique_key(pair.first, seen), origin(pair.first), read(pair.second)});
  }

  void add(SettingsBlock& block, const std::string& key, const YAML::Node& name, const YAML::Node& value) const {
    if (value.IsMap()) {
      std::set<std::string> seen;
      for (const auto& pair : value) add(block, key + "." + unique_key(pair.first, seen), pair.first, pair.second);
    } else if (value.IsScalar()) {
      block.settings.push_back({key, value.Scalar(), origin(name)});
    } else if (value.IsSequence()) {
      Names items;
      for (const auto& item : value) {
        if (!item.IsScalar())
          throw fault(name, "the list of '" + key + "' holds more than words and numbers", "[a, b]");
        items.push_back(item.Scalar());
      }
      block.settings.push_back({key, std::move(items), origin(name)});
    } else {
      throw fault(name, "'" + key + "' has no value", "a word, a number or a list of them");
    }
  }

  std::string file_;
};

}  // namespace

SettingsBlock read_settings(const fs::path& file) { return Reader(file).read(read_yaml(file)); }

SettingsBlock read_settings(const YAML::Node& node, const fs::path& file) { return Reader(file).read(node); }

Setting parse_set(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw ConfigError({"--set takes key=value", "'" + text + "'", "--set length=20 or --set train.batch_size=16",
                       "write the key, '=' and the value without spaces around '='"});
  std::string key = text.substr(0, equals);
  if (key.find('.') == std::string::npos) key = "set." + key;
  return {key, text.substr(equals + 1), "--set " + text};
}

std::string text_of(const Setting& setting) {
  const auto* list = std::get_if<Names>(&setting.value);
  return setting.key + "=" + (list ? join(*list, ",") : std::get<std::string>(setting.value));
}

bool fits_condition(const std::string& condition, const std::string& name) {
  return Pattern::glob(condition).matches(name);
}

std::vector<Setting> in_force(const SettingsBlock& block, const std::vector<std::string>& names) {
  std::vector<Setting> settings = block.settings;
  for (const auto& condition : block.conditions) {
    const auto fits = [&](const std::string& name) { return fits_condition(condition.name, name); };
    if (std::none_of(names.begin(), names.end(), fits)) continue;
    const std::vector<Setting> more = in_force(condition.block, names);
    settings.insert(settings.end(), more.begin(), more.end());
  }
  return settings;
}

std::vector<std::pair<std::string, std::string>> condition_names(const SettingsBlock& block) {
  std::vector<std::pair<std::string, std::string>> names;
  for (const auto& condition : block.conditions) {
    names.emplace_back(condition.name, condition.origin);
    const auto inner = condition_names(condition.block);
    names.insert(names.end(), inner.begin(), inner.end());
  }
  return names;
}

}  // namespace peftbench
