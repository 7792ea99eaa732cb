#pragma once

#include "backbone/hub.h"
#include "backbone/known_weights.h"
#include "config/paths.h"
#include "config/run_config.h"
#include "data/prepared/storage.h"
#include "data/task/task.h"
#include "plugin/finder.h"
#include "run/layer.h"
#include "text/tokenizer.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::run {

// What configurations name: methods, tasks, backbones, files of settings. Each is read at most once, and only as far as
// it is asked for; no weights are opened for names, sizes or checksums that are known. A command has one of these, so
// that a suite of a thousand runs reads no more than one run does.
class Resources final : public ConfigSources {
 public:
  explicit Resources(Paths paths);
  const Paths& paths() const { return paths_; }
  const PluginFinder& finder() const { return finder_; }
  const KnownWeights& known_weights() const { return known_weights_; }

  // Throw as PluginFinder::load_method, read_task_config, resolve_backbone and open_vocabulary do.
  PluginHandle method(const std::string& name, const NamedBy& by = {});
  const TaskConfig& task(const std::string& name_or_file);
  const ResolvedBackbone& backbone(const std::string& name, BackboneNeed need);
  const std::shared_ptr<const Tokenizer>& vocabulary(const fs::path& folder, const BackboneSpec& spec);

  // Parts of a run's identity. `config`: as the run has the task.
  const std::string& data_hash(const TaskConfig& config, const DataStorage& storage);
  const std::string& checksum(const fs::path& folder, const LoadOptions& options);
  const std::string& hash_of_start(const std::string& path);

  // ConfigSources
  const SettingsBlock& settings(const fs::path& file) override;
  bool has_task(const std::string& name) override;
  std::vector<std::string> names() override;
  std::vector<std::string> aliases() override;
  std::string name_of_task(const std::string& given) override;
  std::string name_of_backbone(const std::string& given) override;

 private:
  const Paths paths_;
  const PluginFinder finder_;
  const KnownWeights known_weights_;
  std::map<std::string, PluginHandle> methods_;
  std::map<fs::path, SettingsBlock> settings_;
  std::map<std::string, TaskConfig> tasks_;
  std::map<std::pair<std::string, BackboneNeed>, ResolvedBackbone> backbones_;
  std::map<fs::path, std::shared_ptr<const Tokenizer>> vocabularies_;
  std::map<std::string, std::string> data_hashes_, checksums_, starts_, shipped_names_;
  std::vector<std::string> task_names_, names_;
  std::optional<std::vector<std::string>> aliases_;
};

}  // namespace peftbench::run
