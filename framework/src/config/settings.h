#pragma once

#include "config/layer.h"
#include "core/files.h"
#include "core/yaml.h"
#include "plugin/schema.h"  // GivenValue

#include <optional>
#include <string>
#include <vector>

namespace peftbench::config {

// One value as it was written, before its type is known.
struct Setting {
  std::string key;  // train.batch_size, task.name, seed; set.<name> for a parameter of the method
  GivenValue value;
  std::string origin;  // for messages: "file.yaml:12", "--set length=20", "--seed"
  fs::path base = {};  // folder of the file that holds it, of which its paths are; empty: the shell's
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
  std::string name;  // of a task or a backbone, or its path
  std::string origin;
  SettingsBlock block;
  fs::path base = {};
};

// The names of a task or a backbone in conditions, and its path.
struct Called {
  std::vector<std::string> names;
  fs::path place = {};  // its file or folder; empty: not known
};

// The path that a text of a file or of the command line means: beside the file, then where the shell is. Nothing where
// there is neither.
std::optional<fs::path> existing_path(const std::string& text, const fs::path& base);

// Throws ConfigError naming file and line: not YAML, a key twice, a value that is neither scalar nor list.
SettingsBlock read_settings(const fs::path& file);
// The same from a part of a file.
SettingsBlock read_settings(const Yaml& yaml);

// `key=value` of --set; a bare key is the method's. Throws ConfigError without '='.
Setting parse_set(const std::string& text);
// As --set takes it.
std::string text_of(const Setting& setting);

// Whether it is what an `on` means: by a name, in which * stands for any letters and ? for one, or by its place.
bool fits_condition(const SettingsBlock::Condition& condition, const Called& called);

// The block's settings, then those of its conditions that hold, in the file's order.
std::vector<Setting> in_force(const SettingsBlock& block, const std::vector<Called>& subjects);

// All conditions of the block, those within others too.
std::vector<const SettingsBlock::Condition*> conditions_of(const SettingsBlock& block);

}  // namespace peftbench::config
