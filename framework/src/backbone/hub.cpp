#include "backbone/hub.h"

#include "architectures/architecture.h"
#include "backbone/catalogue.h"
#include "backbone/known_weights.h"
#include "backbone/load.h"
#include "core/first_line.h"
#include "core/hub_cache.h"
#include "core/json.h"
#include "core/names.h"
#include "core/utf8.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <string_view>

namespace peftbench::backbone {

namespace {

// "org/name" or "name", with "@revision" or without, of the characters that the hub allows.
struct HubName {
  std::string repository, revision;
};

std::optional<HubName> parse_hub_name(const std::string& name) {
  const std::size_t at = name.find('@');
  HubName result{name.substr(0, at), at == std::string::npos ? "" : name.substr(at + 1)};
  const auto plain = [](std::string_view part) {
    // "--" stands for the slash in the cache's names, and a leading dot could leave the cache.
    return !part.empty() && part.front() != '.' && part.find("--") == std::string_view::npos &&
           part.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               std::string_view::npos;
  };
  const std::size_t slash = result.repository.find('/');
  const std::string_view all = result.repository;
  const bool good =
      slash == std::string::npos ? plain(all) : plain(all.substr(0, slash)) && plain(all.substr(slash + 1));
  if (!good || (at != std::string::npos && !plain(result.revision))) return std::nullopt;
  return result;
}

bool is_model(const fs::path& folder) { return file_exists(folder / "config.json"); }

// The files of a revision; of main, or of the only one there is, where none is asked for.
std::optional<fs::path> find_snapshot(const fs::path& repository, const std::string& revision) {
  const auto referred = referred_snapshot(repository, revision.empty() ? "main" : revision);
  if (referred && is_model(*referred)) return referred;
  if (!revision.empty()) {
    const fs::path commit = repository / "snapshots" / revision;
    return is_model(commit) ? std::optional(commit) : std::nullopt;
  }
  std::vector<fs::path> all = snapshots_in(repository);
  std::erase_if(all, [](const fs::path& folder) { return !is_model(folder); });
  return all.size() == 1 ? std::optional(all.front()) : std::nullopt;
}

std::optional<fs::path> find_in_cache(const HubName& name, const BackboneSearch& search) {
  for (const fs::path& cache : search.hub_caches) {
    const fs::path repository = hub_folder(cache, HubKind::model, name.repository);
    if (std::optional<fs::path> found = find_snapshot(repository, name.revision)) return found;
  }
  return std::nullopt;
}

BackboneSpec sizes_of(const fs::path& folder, const BackboneSearch& search) {
  return KnownWeights(search.known_weights).sizes(folder);
}

ResolvedBackbone in_folder(const std::string& name, const fs::path& folder, const BackboneSearch& search) {
  BackboneSpec spec = sizes_of(folder, search);
  spec.name = name;
  return {name, folder, std::move(spec)};
}

bool is_path(const std::string& name) {
  return name.starts_with('/') || name.starts_with("./") || name.starts_with("../") || name == "." || name == ".." ||
         name.ends_with('/');
}

std::string looked_in(const BackboneSearch& search) {
  std::vector<std::string> places = {(search.home / "assets" / "backbones").string()};
  for (const fs::path& cache : search.hub_caches) places.push_back(cache.string());
  return "looked in " + join(places);
}

// Snapshots that are there, of which none can be taken for the one that is wanted.
void refuse_unclear(const HubName& name, const BackboneSearch& search) {
  for (const fs::path& cache : search.hub_caches) {
    const fs::path repository = hub_folder(cache, HubKind::model, name.repository);
    std::vector<std::string> there;
    std::string whole;
    for (const fs::path& folder : snapshots_in(repository)) {
      there.push_back(folder.filename().string() + (is_model(folder) ? "" : " (without config.json)"));
      if (is_model(folder)) whole = folder.filename().string();
    }
    if (there.empty()) continue;
    const std::string wanted = name.revision.empty() ? "main" : name.revision;
    throw ConfigError(Problem{
        "the Hugging Face cache has '" + name.repository + "', but not its revision " + wanted,
        join(there) + " in " + (repository / "snapshots").string(),
        "refs/" + wanted + " and its snapshot, with config.json",
        (whole.empty() ? std::string() : "use a snapshot: --backbone " + name.repository + "@" + whole + ", or ") +
            "download it again with `hf download " + name.repository +
            (name.revision.empty() ? "" : " --revision " + name.revision) + "`"});
  }
}

[[noreturn]] void refuse_absent(const std::string& name, const std::string& hub, bool sizes_known,
                                const BackboneSearch& search) {
  const std::size_t at = hub.find('@');
  const std::string revision = at == std::string::npos ? "" : " --revision " + hub.substr(at + 1);
  throw ConfigError(Problem{"backbone '" + name + "' is not on this machine",
                            looked_in(search) + (sizes_known ? "; only its sizes are known" : ""),
                            "a folder with config.json, its weights and spiece.model",
                            "download it with `hf download " + hub.substr(0, at) + revision +
                                "` (from the Python package huggingface_hub), or give its folder"});
}

const CatalogueEntry* find_entry(const std::vector<CatalogueEntry>& catalogue, const std::string& name) {
  for (const CatalogueEntry& entry : catalogue) {
    const bool alias = std::find(entry.aliases.begin(), entry.aliases.end(), name) != entry.aliases.end();
    if (entry.name == name || entry.hub == name || alias) return &entry;
  }
  return nullptr;
}

[[noreturn]] void refuse_unknown(const std::string& name, const std::vector<CatalogueEntry>& catalogue,
                                 const BackboneSearch& search) {
  std::vector<std::string> known;
  for (const fs::path& folder : folders_in(search.home / "assets" / "backbones"))
    known.push_back(folder.filename().string());
  for (const CatalogueEntry& entry : catalogue) known.push_back(entry.name);
  throw ConfigError(
      Problem{"there is no backbone '" + printable(name) + "'", looked_in(search),
              "a folder, a name listed by `peft-bench backbones`, or a hub name such as google/t5-base-lm-adapt",
              did_you_mean(name, known)});
}

// Whether a cached model is of a kind that belongs in the list at all.
bool is_supported(const fs::path& folder) {
  JsonFault ignored;
  const auto config = parse_json<nlohmann::json>(read_text(folder / "config.json"), ignored);
  if (!config || !config->is_object()) return false;
  const auto type = config->find("model_type");
  return type != config->end() && type->is_string() && architecture_of(type->get<std::string>()) != nullptr;
}

BackboneListing describe(const std::string& name, const fs::path& folder, const BackboneSearch& search) {
  BackboneListing listing;
  listing.name = name;
  listing.folder = folder;
  try {
    listing.parameters = sizes_of(folder, search).parameter_count();
    if (!has_weights(folder)) listing.problem = "there are no weights in its folder";
  } catch (const UserError& error) {
    listing.problem = first_line(error.what());
  }
  return listing;
}

}  // namespace

BackboneSearch backbone_search(const fs::path& home, const fs::path& known_weights) {
  return {home, hub_caches(), known_weights};
}

ResolvedBackbone resolve_backbone(const std::string& name, const BackboneSearch& search, BackboneNeed need) {
  if (is_path(name) || file_exists(fs::path(name) / "config.json")) {
    fs::path folder = fs::path(name).lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();
    ResolvedBackbone result{name, folder, sizes_of(folder, search)};
    result.name = result.spec.name;
    return result;
  }
  const std::optional<HubName> hub_name = parse_hub_name(name);
  const fs::path asset = search.home / "assets" / "backbones" / name;
  if (hub_name && file_exists(asset / "config.json")) return in_folder(name, asset, search);
  const std::vector<CatalogueEntry> catalogue = read_catalogue(search.home / "configs" / "backbones");
  if (!hub_name) refuse_unknown(name, catalogue, search);

  // A catalogue's name stands for its own model on the hub, an alias for that model alone.
  const CatalogueEntry* entry = find_entry(catalogue, hub_name->repository);
  std::string hub = name;
  if (entry != nullptr && entry->name == hub_name->repository) hub.replace(0, entry->name.size(), entry->hub);
  for (const std::string& candidate : {name, hub}) {
    const std::optional<HubName> wanted = parse_hub_name(candidate);
    if (!wanted) continue;
    if (const auto folder = find_in_cache(*wanted, search)) return in_folder(name, *folder, search);
  }
  if (entry != nullptr && need == BackboneNeed::sizes) {
    BackboneSpec spec = entry->spec;
    spec.name = name;
    return {name, std::nullopt, std::move(spec)};
  }
  for (const std::string& candidate : {name, hub})
    if (const std::optional<HubName> wanted = parse_hub_name(candidate)) refuse_unclear(*wanted, search);
  if (entry == nullptr && name.find('/') == std::string::npos) refuse_unknown(name, catalogue, search);
  refuse_absent(name, hub, entry != nullptr, search);
}

std::vector<std::string> backbone_names(const BackboneSearch& search) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders_in(search.home / "assets" / "backbones"))
    if (is_model(folder)) names.push_back(folder.filename().string());
  std::error_code absent;
  for (const fs::directory_entry& entry : fs::directory_iterator(search.home / "configs" / "backbones", absent))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  for (const fs::path& cache : search.hub_caches)
    for (const fs::path& repository : folders_in(cache))
      if (const auto name = hub_name(repository, HubKind::model)) names.push_back(*name);
  return names;
}

std::vector<std::string> backbone_aliases(const BackboneSearch& search) {
  std::vector<std::string> aliases;
  for (const CatalogueEntry& entry : read_catalogue(search.home / "configs" / "backbones"))
    aliases.insert(aliases.end(), entry.aliases.begin(), entry.aliases.end());
  return aliases;
}

std::vector<BackboneListing> list_backbones(const BackboneSearch& search) {
  std::vector<BackboneListing> result;
  for (const fs::path& folder : folders_in(search.home / "assets" / "backbones")) {
    if (file_exists(folder / "config.json")) result.push_back(describe(folder.filename().string(), folder, search));
  }
  std::set<fs::path> listed;
  for (const CatalogueEntry& entry : read_catalogue(search.home / "configs" / "backbones")) {
    BackboneListing listing;
    for (const std::string& name : {entry.hub, entry.name}) {
      const auto folder = find_in_cache({name, ""}, search);
      if (!folder) continue;
      listing = describe(entry.name, *folder, search);
      listed.insert(*folder);
      break;
    }
    listing.name = entry.name;
    listing.aliases = entry.aliases;
    listing.hub = entry.hub;
    listing.source = entry.source;
    if (listing.parameters == 0) listing.parameters = entry.spec.parameter_count();
    result.push_back(std::move(listing));
  }
  for (const fs::path& cache : search.hub_caches) {
    for (const fs::path& repository : folders_in(cache)) {
      const std::optional<std::string> name = hub_name(repository, HubKind::model);
      const std::optional<fs::path> folder = name ? find_snapshot(repository, "") : std::nullopt;
      if (!folder || listed.contains(*folder) || !is_supported(*folder)) continue;
      BackboneListing listing = describe(*name, *folder, search);
      listing.hub = *name;
      result.push_back(std::move(listing));
    }
  }
  return result;
}

}  // namespace peftbench::backbone
