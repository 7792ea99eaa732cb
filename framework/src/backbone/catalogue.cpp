#include "backbone/catalogue.h"

#include "backbone/config_json.h"
#include "core/names.h"
#include "core/utf8.h"

#include <peftbench/error.h>

#include <algorithm>
#include <map>

namespace peftbench::backbone {

namespace {

const std::vector<std::pair<std::string, int64_t BackboneSpec::*>> numbers = {
    {"vocab_size", &BackboneSpec::vocab_size},
    {"d_model", &BackboneSpec::d_model},
    {"d_kv", &BackboneSpec::d_kv},
    {"num_heads", &BackboneSpec::num_heads},
    {"d_ff", &BackboneSpec::d_ff},
    {"encoder_layers", &BackboneSpec::encoder_layers},
    {"decoder_layers", &BackboneSpec::decoder_layers}};

const std::vector<std::pair<std::string, bool BackboneSpec::*>> switches = {
    {"gated", &BackboneSpec::gated}, {"tied", &BackboneSpec::tied}, {"scale_logits", &BackboneSpec::scale_logits}};

const std::string activation = "activation";

std::vector<std::string> size_keys() {
  std::vector<std::string> keys = {activation};
  for (const auto& [key, field] : numbers) keys.push_back(key);
  for (const auto& [key, field] : switches) keys.push_back(key);
  return keys;
}

}  // namespace

void read_sizes(const Yaml& yaml, BackboneSpec& spec, const std::vector<std::string>& other_keys) {
  std::vector<std::string> keys = size_keys(), missing;
  for (const std::string& key : keys)
    if (!yaml.has(key)) missing.push_back(key);
  keys.insert(keys.end(), other_keys.begin(), other_keys.end());
  yaml.only(keys);
  if (!missing.empty()) yaml.fail("sizes of the model are missing", join(missing), "a line for each of them");
  for (const auto& [key, field] : numbers) {
    spec.*field = yaml.at(key).integer();
    if (spec.*field < 1) yaml.at(key).fail("'" + key + "' is too small", yaml.at(key).text(), "1 or more");
  }
  for (const auto& [key, field] : switches) spec.*field = yaml.at(key).flag();
  const Yaml named = yaml.at(activation);
  const std::vector<std::string> known = enum_choices<Activation>();
  const auto chosen = enum_from<Activation>(named.text());
  if (!chosen)
    named.fail("unknown activation", printable(named.text()), "one of " + join(known),
               did_you_mean(named.text(), known));
  spec.activation = *chosen;
  if (const auto problems = implausible(spec); !problems.empty())
    yaml.fail("not the sizes of a T5", join(problems, "\n"), "sizes as in configs/backbones");
}

CatalogueEntry read_catalogue_entry(const fs::path& file) {
  const Yaml yaml = Yaml::load(file);
  CatalogueEntry entry;
  entry.name = entry.spec.name = file.stem().string();
  read_sizes(yaml, entry.spec, {"summary", "source", "hub", "aliases"});
  entry.summary = yaml.at("summary").text();
  entry.source = yaml.at("source").text();
  entry.hub = yaml.at("hub").text();
  if (yaml.has("aliases")) entry.aliases = yaml.at("aliases").texts();
  return entry;
}

std::vector<CatalogueEntry> read_catalogue(const fs::path& folder) {
  std::vector<CatalogueEntry> entries;
  std::error_code missing;
  for (const fs::directory_entry& file : fs::directory_iterator(folder, missing)) {
    if (file.path().extension() == ".yaml") entries.push_back(read_catalogue_entry(file.path()));
  }
  std::sort(entries.begin(), entries.end(), [](const CatalogueEntry& a, const CatalogueEntry& b) {
    return std::pair(a.spec.parameter_count(), a.name) < std::pair(b.spec.parameter_count(), b.name);
  });
  std::map<std::string, std::string> owners;
  for (const CatalogueEntry& entry : entries) {
    std::vector<std::string> names = entry.aliases;
    names.push_back(entry.name);
    if (entry.hub != entry.name) names.push_back(entry.hub);
    for (const std::string& name : names) {
      const auto [owner, fresh] = owners.emplace(name, entry.name);
      if (fresh) continue;
      throw ConfigError(Problem{"two backbones in " + folder.string() + " are named '" + name + "'",
                                owner->second + " and " + entry.name, "unique names",
                                "remove it from one of the files"});
    }
  }
  return entries;
}

}  // namespace peftbench::backbone
