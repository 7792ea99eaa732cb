#pragma once

#include "core/files.h"
#include "plugin/schema.h"  // GivenValue

#include <string>
#include <utility>
#include <vector>

namespace YAML {
class Node;
}

namespace peftbench {

// One value as it was written, before its type is known.
struct Setting {
  std::string key;  // train.batch_size, task.name, seed; set.<name> for a parameter of the method
  GivenValue value;
  std::string origin;  // for messages: "file.yaml:12", "--set length=20", "--seed"
};

// A YAML file of settings. Sections give dotted keys; `on` holds settings for a task or backbone of that name (or
// names: t5-nano-*), and may be nested: on: {t5-nano-lm: {train: {steps: 300}, on: {movie_sentiment: {set: {length:
// 20}}}}}
struct SettingsBlock {
  std::vector<Setting> settings;
  struct Condition;
  std::vector<Condition> conditions;
};
struct SettingsBlock::Condition {
  std::string name;  // of a task or a backbone
  std::string origin;
  SettingsBlock block;
};

// Throws ConfigError naming file and line: not YAML, a key twice, a value that is neither scalar nor list.
SettingsBlock read_settings(const fs::path& file);
// The same from a part of a file.
SettingsBlock read_settings(const YAML::Node& node, const fs::path& file);

// `key=value` of --set; a bare key is the method's. Throws ConfigError without '='.
Setting parse_set(const std::string& text);
// As --set takes it.
std::string text_of(const Setting& setting);

// Whether a name is one that an `on` means; * stands for any letters, ? for one.
bool fits_condition(const std::string& condition, const std::string& name);

// The block's settings, then those of its conditions that hold, in the file's order.
std::vector<Setting> in_force(const SettingsBlock& block, const std::vector<std::string>& names);

// All names that conditions of the block use.
std::vector<std::pair<std::string, std::string>> condition_names(const SettingsBlock& block);  // name, origin

}  // namespace peftbench
