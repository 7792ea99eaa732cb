#include "results/suite_manifest.h"

#include "core/json.h"
#include "core/names.h"
#include "core/write_files.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench {
namespace {

constexpr const char* ending = ".suite";

std::vector<std::string> suites_in(const fs::path& runs) {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(runs, missing))
    if (entry.path().extension() == ending) names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

fs::path suite_folder(const fs::path& runs, const std::string& name) { return runs / (name + ending); }

void write_manifest(const fs::path& runs, const SuiteManifest& manifest) {
  Json json = {{"schema_version", SuiteManifest::schema},
               {"name", manifest.name},
               {"file", manifest.file},
               {"cells", Json::array()}};
  for (const SuiteCell& cell : manifest.cells)
    json["cells"].push_back({{"row", cell.row},
                             {"method", cell.method},
                             {"task", cell.task},
                             {"backbone", cell.backbone},
                             {"seed", cell.seed},
                             {"run", cell.run},
                             {"message", cell.message}});
  const fs::path folder = suite_folder(runs, manifest.name);
  make_folder(folder);
  write_atomically(folder / "suite.json", json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

SuiteManifest read_manifest(const fs::path& runs, const std::string& name) {
  const fs::path file = suite_folder(runs, name) / "suite.json";
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {
    const std::vector<std::string> names = suites_in(runs);
    throw DataError(
        {"the suite '" + name + "' was not run into " + runs.string(),
         {},
         file.string(),
         names.empty() ? "run `peft-bench suite FILE --out " + runs.string() + "`" : did_you_mean(name, names)});
  }
  try {
    const Json json = read_json<Json>(file, "start the suite again: its finished runs are kept");
    if (const int version = json.at("schema_version").get<int>(); version != SuiteManifest::schema)
      throw DataError({file.string() + " has a schema version that this program does not know", std::to_string(version),
                       std::to_string(SuiteManifest::schema), "use the peft-bench that wrote it"});
    SuiteManifest manifest{json.at("name"), json.at("file"), {}};
    for (const Json& cell : json.at("cells"))
      manifest.cells.push_back({cell.at("row"), cell.at("method"), cell.at("task"), cell.at("backbone"),
                                cell.at("seed"), cell.at("run"), cell.at("message")});
    return manifest;
  } catch (const nlohmann::json::exception& fault) {
    throw DataError({file.string() + " is not a suite's list of runs", fault.what(), "what `peft-bench suite` writes",
                     "start the suite again: its finished runs are kept"});
  }
}

}  // namespace peftbench
