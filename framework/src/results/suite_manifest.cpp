#include "results/suite_manifest.h"

#include "core/descriptor.h"
#include "core/json.h"
#include "core/write_files.h"

#include <peftbench/error.h>

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>

namespace peftbench::results {
namespace {

// As long as it is open no other process adds to the manifest of this folder.
Descriptor locked(const fs::path& folder) {
  Descriptor open(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (open.ok()) ::flock(open.get(), LOCK_EX);  // where a file system has no locks, the last one wins
  return open;
}

bool same_cell(const SuiteCell& a, const SuiteCell& b) { return same_row(a, b) && a.seed == b.seed; }

Json cells_json(const std::vector<SuiteCell>& cells) {
  Json json = Json::array();
  for (const SuiteCell& cell : cells) {
    json.push_back({{"row", cell.row},
                    {"method", cell.method},
                    {"task", cell.task},
                    {"backbone", cell.backbone},
                    {"seed", cell.seed},
                    {"run", cell.run},
                    {"message", cell.message},
                    {"evaluated_otherwise", cell.otherwise}});
    if (cell.trial > 0) json.back().update(Json{{"trial", cell.trial}, {"rung", cell.rung}});
    if (!cell.values.empty()) json.back()["values"] = cell.values;
  }
  return json;
}

Json json_of(const SuiteManifest& manifest) {
  Json json = {{"schema_version", SuiteManifest::schema}, {"name", manifest.name}, {"commands", Json::array()}};
  for (const SuiteCommand& command : manifest.commands)
    json["commands"].push_back({{"file", command.file},
                                {"settings", command.settings},
                                {"seeds", command.seeds},
                                {"threads", command.threads}});
  json["cells"] = cells_json(manifest.cells);
  if (manifest.searches.empty()) return json;
  json["searches"] = Json::array();
  for (const SuiteSearch& search : manifest.searches)
    json["searches"].push_back({{"row", search.row},
                                {"method", search.method},
                                {"task", search.task},
                                {"backbone", search.backbone},
                                {"sampler", search.sampler},
                                {"seed", search.seed},
                                {"trials", search.trials},
                                {"halving", search.halving},
                                {"space", search.space},
                                {"chosen", search.chosen}});
  json["trials"] = cells_json(manifest.trials);
  return json;
}

std::vector<SuiteCell> cells_from(const Json& json) {
  std::vector<SuiteCell> cells;
  for (const Json& cell : json)
    cells.push_back({cell.at("row"), cell.at("method"), cell.at("task"), cell.at("backbone"), cell.at("seed"),
                     cell.at("run"), cell.at("message"), cell.value("evaluated_otherwise", std::vector<std::string>{}),
                     cell.value("trial", std::int64_t{0}), cell.value("rung", std::int64_t{0}),
                     cell.value("values", Json(Json::object()))});
  return cells;
}

SuiteManifest manifest_from(const Json& json, const fs::path& file) {
  if (const int version = json.at("schema_version").get<int>(); version != SuiteManifest::schema)
    throw DataError({file.string() + " has an unknown schema version", std::to_string(version),
                     std::to_string(SuiteManifest::schema), "use the peft-bench that wrote it"});
  SuiteManifest manifest{json.at("name")};
  manifest.cells = cells_from(json.at("cells"));
  manifest.trials = cells_from(json.value("trials", Json(Json::array())));
  for (const Json& search : json.value("searches", Json(Json::array())))
    manifest.searches.push_back({search.at("row"), search.at("method"), search.at("task"), search.at("backbone"),
                                 search.at("sampler"), search.at("seed"), search.at("trials"), search.at("halving"),
                                 search.at("space"), search.at("chosen")});
  for (const Json& command : json.value("commands", Json::array()))  // older ones lack them
    manifest.commands.push_back(
        {command.at("file"), command.at("settings"), command.at("seeds"), command.at("threads")});
  return manifest;
}

}  // namespace

fs::path suite_folder(const fs::path& runs, const std::string& name) { return runs / (name + ".suite"); }

void add_to_manifest(const fs::path& runs, const SuiteManifest& manifest) {
  const fs::path folder = suite_folder(runs, manifest.name);
  make_folder(folder);
  const Descriptor lock = locked(folder);
  SuiteManifest all = manifest;
  try {
    if (const auto earlier = find_manifest(runs, manifest.name)) {
      for (const SuiteCell& cell : earlier->cells) {
        const auto same = [&](const SuiteCell& own) { return same_cell(own, cell); };
        if (std::none_of(manifest.cells.begin(), manifest.cells.end(), same)) all.cells.push_back(cell);
      }
      for (const SuiteSearch& search : earlier->searches) {  // another search of the row replaces it
        const auto same = [&](const SuiteSearch& own) { return same_row(own, search); };
        if (std::any_of(manifest.searches.begin(), manifest.searches.end(), same)) continue;
        all.searches.push_back(search);
        for (const SuiteCell& trial : earlier->trials)
          if (same_row(trial, search)) all.trials.push_back(trial);
      }
      all.commands = earlier->commands;
      for (const SuiteCommand& command : manifest.commands) {
        std::erase(all.commands, command);
        all.commands.push_back(command);
      }
    }
  } catch (const DataError&) {  // damaged: it is written anew
  }
  write_atomically(folder / "suite.json", json_of(all).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::optional<SuiteManifest> find_manifest(const fs::path& runs, const std::string& name) {
  const fs::path file = suite_folder(runs, name) / "suite.json";
  if (!file_exists(file)) return std::nullopt;
  try {
    return manifest_from(read_json<Json>(file, "run the suite again: its finished runs are kept"), file);
  } catch (const nlohmann::json::exception& fault) {
    throw DataError({file.string() + " is not a suite manifest", fault.what(), "a file written by `peft-bench suite`",
                     "run the suite again: its finished runs are kept"});
  }
}

}  // namespace peftbench::results
