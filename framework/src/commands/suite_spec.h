#pragma once

#include "commands/layer.h"
#include "commands/search.h"
#include "config/settings.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::commands {

// A method with a configuration.
struct SuiteRow {
  std::string name;  // label in the table
  std::string method;
  SettingsBlock settings;
};

// What `forgetting` of a suite measures after each run (commands/forgetting.h).
struct SuiteForgetting {
  std::optional<fs::path> text;  // else the inputs of the run's own task
  std::int64_t examples = 0, max_tokens = 256;
};

// Rows × tasks × backbones × seeds, as a YAML file describes them (docs/cli.md).
struct SuiteSpec {
  std::string name;  // the file's, without its ending
  fs::path file;
  std::string summary;
  SettingsBlock defaults;  // of all rows
  std::vector<SuiteRow> rows;
  std::vector<std::string> tasks, backbones;
  std::vector<std::string> eval_tasks;  // additional evaluation tasks of every run, except its own
  std::vector<std::uint64_t> seeds;
  std::vector<std::string> columns;  // of its table; empty: the default ones
  std::string columns_place;         // file:line
  std::optional<SuiteForgetting> forgetting;
  std::optional<SearchSpec> search;  // before the runs of these seeds
};

// A file, or the name of one in configs/suites. Throws ConfigError.
SuiteSpec read_suite(const std::string& name_or_file, const fs::path& configs);

// Settings that stand over every run may not make several of the suite's tasks, backbones or seeds one. Throws
// ConfigError.
void refuse_axes(const std::vector<Setting>& settings, const SuiteSpec& suite);

// "1,2,3" or "1-5". Throws ConfigError naming `origin`.
std::vector<std::uint64_t> parse_seeds(const std::string& text, const std::string& origin);

}  // namespace peftbench::commands
