#include "backbone/catalogue.h"

#include "backbone/config_json.h"
#include "core/names.h"
#include "core/utf8.h"
#include "core/yaml.h"

#include <peftbench/error.h>

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace peftbench {

namespace {

// Reads one file, and knows where in it a fault lies.
class Reader {
 public:
  explicit Reader(const fs::path& file) : file_(file) {}

  CatalogueEntry read() {
    entry_.name = file_.stem().string();
    entry_.spec.name = entry_.name;
    const YAML::Node root = read_yaml(file_);
    if (!root.IsMap()) throw ConfigError(Problem{file_.string() + " is not a YAML map", {}, "keys and values", {}});
    for (const auto& pair : root) set(pair.first, pair.second);
    check_complete();
    return std::move(entry_);
  }

 private:
  using Setter = std::function<void(const YAML::Node&)>;

  std::string place(const YAML::Mark& mark) const { return file_.string() + ":" + std::to_string(mark.line + 1); }

  [[noreturn]] void refuse(const YAML::Node& node, const std::string& expected) const {
    const std::string found = node.IsScalar() ? printable(node.Scalar())
                              : node.IsNull() ? "nothing"
                                              : "a list or a table";
    throw ConfigError(Problem{place(node.Mark()) + ": invalid value for " + key_, found, expected, {}});
  }

  Setter text(std::string& field) {
    return [this, &field](const YAML::Node& node) {
      if (!node.IsScalar()) refuse(node, "text");
      field = node.Scalar();
    };
  }
  Setter integer(int64_t& field) {
    return [this, &field](const YAML::Node& node) {
      if (!node.IsScalar() || !YAML::convert<int64_t>::decode(node, field)) refuse(node, "a whole number");
    };
  }
  Setter flag(bool& field) {
    return [this, &field](const YAML::Node& node) {
      if (!node.IsScalar() || !YAML::convert<bool>::decode(node, field)) refuse(node, "true or false");
    };
  }
  Setter names(std::vector<std::string>& field) {
    return [this, &field](const YAML::Node& node) {
      if (!node.IsSequence()) refuse(node, "a list of names");
      for (const YAML::Node& item : node) {
        if (!item.IsScalar()) refuse(item, "a name");
        field.push_back(item.Scalar());
      }
    };
  }
  Setter activation(Activation& field) {
    return [this, &field](const YAML::Node& node) {
      const auto named = node.IsScalar() ? enum_from<Activation>(node.Scalar()) : std::nullopt;
      if (!named) refuse(node, join(enum_choices<Activation>(), " or "));
      field = *named;
    };
  }

  void set(const YAML::Node& key, const YAML::Node& value) {
    key_ = key.IsScalar() ? key.Scalar() : "?";
    const auto setter = setters_.find(key_);
    if (setter == setters_.end()) {
      std::vector<std::string> known;
      for (const auto& [name, unused] : setters_) known.push_back(name);
      throw ConfigError(
          Problem{place(key.Mark()) + ": unknown key '" + printable(key_) + "'", {}, {}, did_you_mean(key_, known)});
    }
    if (!seen_.insert(key_).second) {
      throw ConfigError(Problem{place(key.Mark()) + ": duplicate key '" + key_ + "'", {}, "each key once", {}});
    }
    setter->second(value);
  }

  void check_complete() {
    std::vector<std::string> problems;
    for (const auto& [name, unused] : setters_) {
      if (!seen_.contains(name) && name != "aliases") problems.push_back(name + " is missing");
    }
    if (problems.empty()) problems = implausible(entry_.spec);
    if (!problems.empty())
      throw ConfigError(Problem{file_.string() + " is incomplete", join(problems, "\n"), "the sizes of a T5", {}});
  }

  const fs::path& file_;
  CatalogueEntry entry_;
  std::string key_;
  std::set<std::string> seen_;
  const std::map<std::string, Setter> setters_ = {
      {"summary", text(entry_.summary)},
      {"source", text(entry_.source)},
      {"hub", text(entry_.hub)},
      {"aliases", names(entry_.aliases)},
      {"vocab_size", integer(entry_.spec.vocab_size)},
      {"d_model", integer(entry_.spec.d_model)},
      {"d_kv", integer(entry_.spec.d_kv)},
      {"num_heads", integer(entry_.spec.num_heads)},
      {"d_ff", integer(entry_.spec.d_ff)},
      {"encoder_layers", integer(entry_.spec.encoder_layers)},
      {"decoder_layers", integer(entry_.spec.decoder_layers)},
      {"activation", activation(entry_.spec.activation)},
      {"gated", flag(entry_.spec.gated)},
      {"tied", flag(entry_.spec.tied)},
      {"scale_logits", flag(entry_.spec.scale_logits)},
  };
};

}  // namespace

CatalogueEntry read_catalogue_entry(const fs::path& yaml) { return Reader(yaml).read(); }

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

}  // namespace peftbench
