#pragma once

#include "core/files.h"
#include "core/layer.h"

#include <yaml-cpp/yaml.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::core {

// A YAML file read strictly: every wrong key, type or value is a ConfigError that names file, line and remedy.
class Yaml {
 public:
  // Throws ConfigError if the file cannot be read, is not YAML or holds no map.
  static Yaml load(const fs::path& file);
  // The same; nothing for a file that is empty or holds only comments.
  static std::optional<Yaml> load_if_any(const fs::path& file);

  // Every key of the map must be one of these, and stand there once.
  void only(const std::vector<std::string>& keys) const;
  bool has(const std::string& key) const;
  Yaml at(const std::string& key) const;                      // Throws ConfigError if absent
  std::vector<std::pair<std::string, Yaml>> entries() const;  // of a map, in order, each key once
  std::vector<Yaml> items() const;                            // of a list; a scalar is a list of one

  bool is_null() const { return node_.IsNull(); }
  bool is_map() const { return node_.IsMap(); }
  bool is_list() const { return node_.IsSequence(); }
  bool is_quoted() const { return is_scalar() && node_.Tag() == "!"; }
  bool is_scalar() const { return node_.IsScalar(); }

  const std::string& text() const;
  std::vector<std::string> texts() const;  // a list, or one text
  double number() const;
  long long integer() const;
  bool flag() const;

  std::string place() const;      // file:line
  std::string key_place() const;  // file:line of its key; of an item, of its list
  const fs::path& file() const { return file_; }
  // ConfigError at this place: "FILE:LINE: WHAT".
  [[noreturn]] void fail(const std::string& what, const std::string& found, const std::string& expected,
                         const std::string& remedy = {}) const;

 private:
  Yaml(YAML::Node node, fs::path file, std::string path, int line);
  std::string found() const;  // the value in a message
  std::string named() const;  // "'source.train'"

  YAML::Node node_;
  fs::path file_;
  std::string path_;  // keys from the root
  int line_, key_line_;
};

// A YAML file by its path, or by its name in a folder. Throws ConfigError with the nearest name; `kind` is what such
// files are, for messages.
fs::path find_yaml(const std::string& name_or_file, const fs::path& folder, const std::string& kind);

}  // namespace peftbench::core
