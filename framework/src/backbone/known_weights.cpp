#include "backbone/known_weights.h"

#include "backbone/config_json.h"
#include "backbone/load.h"
#include "backbone/model_folder.h"
#include "core/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace peftbench::backbone {
namespace {

using Json = nlohmann::json;

constexpr const char* sidecar = "checksums.json";
constexpr std::int64_t grace = 60ll * 1'000'000'000;  // ns; a checkout or a copy writes a folder's files one by one

// What a checksum follows from: the sizes and all files that may hold weights.
std::vector<fs::path> sources_in(const fs::path& folder) {
  std::vector<fs::path> files = {folder / "config.json"};
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".safetensors") || name.ends_with(".bin") || name.ends_with(".index.json"))
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string entry_of(const fs::path& folder) {
  std::error_code error;
  return fs::weakly_canonical(folder, error).string();
}

// The facts of checksums.json, if the folder's files are still those that it was written for.
Json shipped_facts(const fs::path& folder, const std::vector<fs::path>& files) {
  const fs::path path = folder / sidecar;
  if (!file_exists(path)) return {};
  JsonFault ignored;
  const Json json = parse_json<Json>(read_text(path), ignored).value_or(Json());
  if (!json.is_object() || !json.contains("bytes") || !json.at("bytes").is_object()) return {};
  const Json& bytes = json.at("bytes");
  const std::int64_t written = state_of(path).changed;
  if (bytes.size() != files.size()) return {};
  for (const fs::path& file : files) {
    const auto size = bytes.find(file.filename().string());
    const FileState state = state_of(file);
    if (size == bytes.end() || *size != state.size || state.changed > written + grace) return {};
  }
  return json;
}

}  // namespace

std::string name_of(const LoadOptions& options) {
  std::string name(enum_name(options.precision));
  if (options.quantization != Quantization::none) name += " " + std::string(enum_name(options.quantization));
  return name;
}

KnownWeights::Facts KnownWeights::facts(const fs::path& folder) const {
  const std::vector<fs::path> files = sources_in(folder);
  Json json = memory_.find(entry_of(folder), files).value_or(Json());
  if (!json.is_object()) json = shipped_facts(folder, files);
  Facts facts;
  if (!json.is_object()) return facts;
  if (json.contains("tied") && json.at("tied").is_boolean()) facts.tied = json.at("tied").get<bool>();
  if (json.contains("checksums") && json.at("checksums").is_object())
    for (const auto& [options, checksum] : json.at("checksums").items())
      if (checksum.is_string()) facts.checksums[options] = checksum.get<std::string>();
  return facts;
}

void KnownWeights::keep(const fs::path& folder, const std::vector<FileState>& before, const Facts& facts) const {
  Json json = {{"checksums", facts.checksums}};
  if (facts.tied) json["tied"] = *facts.tied;
  memory_.keep(entry_of(folder), sources_in(folder), before, json);
}

BackboneSpec KnownWeights::sizes(const fs::path& folder) const {
  BackboneSpec spec = read_config(folder);
  if (!has_weights(folder)) return spec;
  Facts known = facts(folder);
  if (!known.tied) {
    const std::vector<FileState> before = states_of(sources_in(folder));
    known.tied = read_spec(folder).tied;
    keep(folder, before, known);
  }
  spec.tied = *known.tied;
  return spec;
}

bool KnownWeights::has_checksum(const fs::path& folder, const LoadOptions& options) const {
  return facts(folder).checksums.contains(name_of(options));
}

std::string KnownWeights::checksum(const fs::path& folder, const LoadOptions& options) const {
  Facts known = facts(folder);
  std::string& checksum = known.checksums[name_of(options)];
  if (!checksum.empty()) return checksum;
  const std::vector<FileState> before = states_of(sources_in(folder));
  const std::shared_ptr<const Backbone> loaded = Backbone::load(folder, options);
  checksum = loaded->checksum();
  known.tied = loaded->spec().tied;
  keep(folder, before, known);
  return checksum;
}

void KnownWeights::keep(const fs::path& folder, const LoadOptions& options, const Backbone& loaded,
                        const std::string& checksum) const {
  const std::vector<FileState> before = states_of(sources_in(folder));
  Facts known = facts(folder);
  std::string& then = known.checksums[name_of(options)];
  if (then == checksum) return;
  if (!then.empty()) known.checksums.clear();  // of other weights, all of them
  known.checksums[name_of(options)] = checksum;
  known.tied = loaded.spec().tied;
  keep(folder, before, known);
}

}  // namespace peftbench::backbone
