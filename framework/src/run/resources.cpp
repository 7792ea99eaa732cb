#include "run/resources.h"

#include "backbone/vocabulary.h"
#include "data/task/load_task.h"
#include "data/task/task_mixture.h"
#include "run/init_from.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::run {
namespace {

constexpr const char* weights_file = "model.safetensors";

// The value under `key`, made by the first who asks.
template <class Map, class Make>
const typename Map::mapped_type& once(Map& map, const typename Map::key_type& key, const Make& make) {
  if (const auto found = map.find(key); found != map.end()) return found->second;
  return map.emplace(key, make()).first->second;
}

bool have_equal_bytes(const fs::path& a, const fs::path& b) {
  std::error_code error;
  if (!file_exists(a) || !file_exists(b) || fs::file_size(a, error) != fs::file_size(b, error)) return false;
  return MappedFile::open(a)->text() == MappedFile::open(b)->text();
}

// All that decides a task's texts, beside the data itself.
std::string data_key(const TaskConfig& config) {
  std::string key = config.file.string() + "\n" + config.prefix + "\n" + config.canonical + "\n";
  if (config.mixture)
    for (const TaskConfig& part : config.mixture->tasks) key += data_key(part);
  return key;
}

}  // namespace

Resources::Resources(Paths paths)
    : paths_(std::move(paths)), finder_(paths_.plugin_files), known_weights_(paths_.known_weights()) {}

PluginHandle Resources::method(const std::string& name, const NamedBy& by) {
  return once(methods_, name, [&] { return finder_.load_method(name, by); });
}

const TaskConfig& Resources::task(const std::string& name_or_file) {
  return once(tasks_, name_or_file, [&] { return read_task_config(name_or_file, paths_.task_folders()); });
}

const ResolvedBackbone& Resources::backbone(const std::string& name, BackboneNeed need) {
  return once(backbones_, {name, need}, [&] { return resolve_backbone(name, backbone_search(paths_), need); });
}

const std::shared_ptr<const Tokenizer>& Resources::vocabulary(const fs::path& folder, const BackboneSpec& spec) {
  return once(vocabularies_, folder, [&] { return open_vocabulary(folder, spec); });
}

const std::string& Resources::data_hash(const TaskConfig& config, const DataStorage& storage) {
  return once(data_hashes_, data_key(config), [&] { return load_task(config, paths_.data, storage).hash; });
}

const std::string& Resources::checksum(const fs::path& folder, const LoadOptions& options) {
  return once(checksums_, name_of(options) + " " + folder.string(),
              [&] { return known_weights_.checksum(folder, options); });
}

const std::string& Resources::hash_of_start(const std::string& path) {
  return once(starts_, path, [&] { return run::hash_of_start(path); });
}

const SettingsBlock& Resources::settings(const fs::path& file) {
  return once(settings_, file, [&] { return read_settings(file); });
}

bool Resources::has_task(const std::string& name) {
  if (task_names_.empty()) task_names_ = task_names(paths_.task_folders());
  return std::binary_search(task_names_.begin(), task_names_.end(), name);
}

std::vector<std::string> Resources::names() {
  if (names_.empty()) {
    has_task({});
    names_ = backbone_names(backbone_search(paths_));
    names_.insert(names_.begin(), task_names_.begin(), task_names_.end());
  }
  return names_;
}

std::vector<std::string> Resources::aliases() {
  if (!aliases_) aliases_ = backbone_aliases(backbone_search(paths_));
  return *aliases_;
}

std::string Resources::name_of_task(const std::string& given) {
  if (has_task(given)) return given;  // a task's name is its file's
  try {
    return task(given).name;
  } catch (const ConfigError&) {  // no such task: told where it is opened
    return {};
  }
}

// The name of the backbone of assets/ that has these weights: settings are chosen for weights, not for a folder's name.
// Files that cannot be read are told: without them other settings would be taken.
std::string Resources::name_of_backbone(const std::string& given) {
  return once(shipped_names_, given, [&]() -> std::string {
    fs::path folder;
    try {
      folder = backbone(given, BackboneNeed::sizes).folder.value_or("");
    } catch (const ConfigError&) {  // no such name: told where the backbone is opened
    }
    if (folder.empty()) return {};
    std::error_code error;
    std::vector<fs::path> shipped;
    for (const auto& entry : fs::directory_iterator(paths_.home / "assets" / "backbones", error))
      shipped.push_back(entry.path());
    for (const fs::path& asset : shipped)
      if (fs::equivalent(asset / weights_file, folder / weights_file, error)) return asset.filename().string();
    for (const fs::path& asset : shipped)
      if (have_equal_bytes(asset / weights_file, folder / weights_file)) return asset.filename().string();
    return {};
  });
}

}  // namespace peftbench::run
