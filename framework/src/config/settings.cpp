#include "config/settings.h"

#include "core/names.h"

#include <peftbench/error.h>
#include <peftbench/pattern.h>

#include <algorithm>

namespace peftbench::config {
namespace {

const std::string advice = "correct the line; see docs/cli.md for the format";

void add(SettingsBlock& block, const std::string& key, const Yaml& value, const fs::path& base) {
  if (value.is_map()) {
    for (const auto& [name, inner] : value.entries()) add(block, key + "." + name, inner, base);
  } else if (value.is_scalar()) {
    block.settings.push_back({key, value.text(), value.key_place(), base});
  } else if (value.is_list()) {
    for (const Yaml& item : value.items())
      if (!item.is_scalar())
        value.fail("the list of '" + key + "' contains something other than strings and numbers", {}, "[a, b]", advice);
    block.settings.push_back({key, value.texts(), value.key_place(), base});
  } else {
    value.fail("'" + key + "' has no value", {}, "a string, a number or a list of them", advice);
  }
}

}  // namespace

SettingsBlock read_settings(const fs::path& file) {
  const std::optional<Yaml> yaml = Yaml::load_if_any(file);
  return yaml ? read_settings(*yaml) : SettingsBlock();
}

SettingsBlock read_settings(const Yaml& yaml) {
  const fs::path base = fs::absolute(yaml.file()).parent_path();
  SettingsBlock block;
  if (yaml.is_null()) return block;
  for (const auto& [key, value] : yaml.entries()) {
    if (key == "on") {
      for (const auto& [name, settings] : value.entries())
        block.conditions.push_back({name, settings.key_place(), read_settings(settings), base});
    } else {
      // `task: movies` is short for `task: {name: movies}`.
      const bool named = !value.is_map() && (key == "task" || key == "backbone" || key == "device");
      add(block, named ? key + ".name" : key, value, base);
    }
  }
  return block;
}

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

}  // namespace peftbench::config
