#pragma once

#include "backbone/backbone.h"
#include "plugin/finder.h"
#include "run/settings.h"
#include "train/config.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace peftbench {

// What a user asked for, before it is resolved.
struct ConfigRequest {
  std::string method;                 // a name; empty if the file has it
  NamedBy method_by;                  // where `method` was read; of the command line: empty
  std::optional<fs::path> file;       // --config
  std::vector<SettingsBlock> layers;  // over the file: of a suite
  std::vector<Setting> flags;         // --task, --seed, …
  std::vector<Setting> settings;      // --set, in order
  std::vector<Setting> beside = {};   // tasks and backbones of a suite's other runs, which conditions may name too
};

// A run's resolved configuration.
struct RunConfig {
  std::string method;
  Values values;   // the method's parameters
  Values options;  // all of run_options()
  TrainConfig train;
  std::map<std::string, std::string> origins = {};  // where each setting is from that is not a default

  const std::string& task() const { return options.text("task.name"); }
  const std::string& backbone() const { return options.text("backbone.name"); }
  LoadOptions load_options() const;
  std::int64_t seed() const { return train.seed; }
};

// Names that conditions (`on:`) of a configuration may use.
struct KnownNames {
  std::vector<std::string> tasks, backbones;
  // What a task's file calls itself, and what a backbone is by its weights, whatever its folder is called; empty: no
  // more than the path tells.
  std::function<std::string(const std::string&)> name_of_task = {}, name_of_backbone = {};
};

// The method of the request or of its file. Throws ConfigError if neither names one.
struct RequestedMethod {
  std::string name;
  NamedBy by;
};
RequestedMethod requested_method(const ConfigRequest& request);

// Defaults < configs/defaults.yaml < the method's recommendations < configs/methods/<method>.yaml < the file <
// layers < flags < --set. Paths of files come out absolute. Throws ConfigError for an unknown key, naming where it
// stands and the nearest one, and for a condition that fits nothing.
RunConfig resolve_config(const ConfigRequest& request, const MethodSchema& schema, const fs::path& configs,
                         const KnownNames& known);

// As a file that --config takes, `comments` above it; with `origins` each line says where its value is from.
std::string to_yaml(const RunConfig& config, const std::vector<std::string>& comments, bool origins = false);

// {"method": …, "set": {…}, "task": {…}, "train": {…}, …}: keys sorted, so that equal configurations have equal texts.
nlohmann::json to_json(const RunConfig& config);

}  // namespace peftbench
