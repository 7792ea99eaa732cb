#pragma once

#include "cli/layer.h"
#include "config/paths.h"
#include "config/run_config.h"

#include <peftbench/error.h>

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

namespace peftbench::cli {

// What --method and `methods` take: a method's name, or the path of its library, which is then found as one of
// --plugin is. Only the command line may name a path.
struct MethodWord {
  std::string name;
  std::vector<fs::path> libraries;  // none, or the one of the path
};
MethodWord method_word(const std::string& word);

// The flags of one command. CLI11 parses; the messages are ours.
class Arguments {
 public:
  Arguments(const std::string& command, const std::string& description);

  CLI::App& app() { return app_; }
  CLI::Option* flag(const std::string& names, bool& value, const std::string& help);
  // Flags that several commands share.
  void add_json();
  void add_paths();
  void add_out();
  void add_method_and_backbone();
  void add_set();

  // False if help was asked for and printed. Throws ConfigError.
  bool parse(std::vector<std::string> words);

  bool json() const { return json_; }
  const std::string& out() const { return out_; }
  Paths paths() const;
  ConfigRequest config() const;  // of --method, --config, --set and the flags given with `setting`
  // A flag that is short for a setting: --task for task.name.
  void setting(const std::string& names, const std::string& key, const std::string& help);
  // The same for a list, an entry each time it is given.
  void list_setting(const std::string& names, const std::string& key, const std::string& help);

 private:
  ConfigError unknown(const std::string& word) const;
  std::string command_;
  CLI::App app_;
  bool json_ = false;
  std::string out_ = "runs", data_, method_, file_;
  std::vector<std::string> plugins_, set_;
  struct Flag {
    std::string name, key, value;
    std::vector<std::string> list;
    CLI::Option* option;
  };
  std::vector<std::unique_ptr<Flag>> settings_;
};

}  // namespace peftbench::cli
