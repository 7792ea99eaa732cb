#pragma once

#include "backbone/backbone.h"
#include "config/layer.h"
#include "config/options.h"
#include "config/search_space.h"
#include "config/settings.h"
#include "plugin/finder.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::config {

// The user's request, before it is resolved.
struct ConfigRequest {
  std::string method;                 // a name; empty if the file has it
  NamedBy method_by;                  // where `method` was read; empty for the command line
  std::optional<fs::path> file;       // --config
  std::vector<SettingsBlock> layers;  // over the file: of a suite
  std::vector<Setting> flags;         // --task, --seed, …
  std::vector<Setting> settings;      // --set, in order
  std::vector<Setting> beside = {};   // tasks and backbones of a suite's other runs, which conditions may name too
};

// A run's resolved configuration.
struct RunConfig {
  std::string method;
  Values values;  // the method's parameters
  RunOptions options;
  std::map<std::string, std::string> origins = {};  // the sources of non-default settings
  std::int64_t trial = 0;          // its number in a search, of which tables do not show the runs; 0: none
  SearchSpace space = {};          // what a search may choose; not a part of the run's identity
  c10::Device device = c10::kCPU;  // of options.device

  const std::string& task() const { return options.task.name; }
  const std::string& backbone() const { return options.backbone.name; }
  LoadOptions load_options() const {
    return {options.backbone.precision, options.backbone.quantization, device,
            resolve(options.backbone.backend, device)};
  }
  std::int64_t seed() const { return options.train.seed; }
};

// The files that a configuration is made of, and the names that it may use.
class ConfigSources {
 public:
  virtual ~ConfigSources() = default;
  virtual const SettingsBlock& settings(const fs::path& file) = 0;  // as read_settings
  virtual bool has_task(const std::string& name) = 0;
  // Of all tasks and backbones, for conditions (`on:`); aliases of backbones, which cost more to know.
  virtual std::vector<std::string> names() = 0;
  virtual std::vector<std::string> aliases() = 0;
  // What a task's file calls itself, and what a backbone is by its weights, whatever its folder is called; empty: no
  // more than the path tells.
  virtual std::string name_of_task(const std::string& given) = 0;
  virtual std::string name_of_backbone(const std::string& given) = 0;
};

// The method of the request or of its file. Throws ConfigError if neither names one.
struct RequestedMethod {
  std::string name;
  NamedBy by;
};
RequestedMethod requested_method(const ConfigRequest& request, ConfigSources& sources);

// Defaults < configs/defaults.yaml < the method's recommendations < configs/methods/<method>.yaml < the file <
// layers < flags < --set. Paths of files come out absolute. Throws ConfigError for an unknown key, naming where it
// stands and the nearest one, and for a condition that fits nothing.
// The space is the plugin's, changed by `space:` of files and layers. What the layers or --set give a value is not
// searched, unless the same layer or a later one has a space for it.
RunConfig resolve_config(const ConfigRequest& request, const MethodSchema& schema, const fs::path& configs,
                         ConfigSources& sources);

// As a file that --config takes, `comments` above it; with `origins` each line says where its value is from.
std::string to_yaml(const RunConfig& config, const std::vector<std::string>& comments, bool origins = false);

// {"method": …, "set": {…}, "task": {…}, "train": {…}, …}: keys sorted, so that equal configurations have equal texts.
nlohmann::json to_json(const RunConfig& config);

}  // namespace peftbench::config
