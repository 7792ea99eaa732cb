#include "adapters/adapter_place.h"

#include "adapters/adapter.h"
#include "adapters/foreign.h"
#include "backbone/precision.h"
#include "results/adapter_files.h"
#include "results/result_store.h"

#include <peftbench/error.h>

namespace peftbench::adapters {

namespace {

fs::path record_beside(const fs::path& adapter) {
  return fs::absolute(adapter / "").lexically_normal().parent_path().parent_path() / "record.json";
}

// A folder that is there and no run's was meant as an adapter's.
void refuse_other_folders(const std::string& name, const fs::path& runs) {
  std::error_code error;
  if (fs::is_directory(name, error) && !file_exists(fs::path(name) / "record.json") &&
      !file_exists(runs / name / "record.json"))
    throw CheckpointError(not_an_adapter(name));
}

// The checksum is of the weights as they were in the run.
LoadOptions load_options(const std::string& precision, const std::string& quantization) {
  return {enum_from<Precision>(precision).value_or(Precision::float32),
          enum_from<Quantization>(quantization).value_or(Quantization::none)};
}

}  // namespace

std::optional<fs::path> lone_adapter(const std::string& name, const fs::path& runs) {
  const fs::path folder = adapter_folder(name);
  if (file_exists(folder / adapter_file::description))
    return file_exists(record_beside(folder)) ? std::nullopt : std::optional(folder);
  if (is_foreign_adapter(folder)) return folder;
  refuse_other_folders(name, runs);
  return std::nullopt;
}

AdapterPlace find_adapter(const std::string& name, const fs::path& runs) {
  AdapterPlace place{adapter_folder(name), {}, {}};
  if (!file_exists(place.folder / adapter_file::description)) {
    if (is_foreign_adapter(place.folder)) return place;
    refuse_other_folders(name, runs);
    place.folder = find_run(name, runs).adapter();
  }
  const fs::path record_file = record_beside(place.folder);
  if (!file_exists(record_file)) {
    if (file_exists(place.folder / adapter_file::description)) place.made_from = adapter_made_from(place.folder);
    if (place.made_from) place.load = load_options(place.made_from->precision, place.made_from->quantization);
    return place;
  }
  place.record = std::make_shared<const RunRecord>(read_record(record_file));
  const RunRecord& record = *place.record;
  if (!file_exists(place.folder / adapter_file::description))
    throw DataError({.what = "the run has not finished, so it has no adapter yet",
                     .found = "status " + record.status,
                     .remedy = "run its command again to continue it"});
  // A backbone in a folder of the user's is found by its path, others by their names.
  place.backbone = file_exists(fs::path(record.backbone.folder) / "config.json") ? record.backbone.folder : "";
  place.made_from = made_from(record);
  place.load = load_options(record.backbone.precision, record.backbone.quantization);
  place.load.backend = enum_from<Backend>(record.backbone.backend).value_or(Backend::reference);
  return place;
}

ResolvedBackbone backbone_of(const AdapterPlace& place, const std::string& given, const Paths& paths,
                             BackboneNeed need) {
  std::string name = given.empty() ? place.backbone : given;
  if (name.empty() && file_exists(place.folder / adapter_file::description))
    name = read_adapter_info(place.folder, PluginFinder(paths.plugin_files)).backbone;
  if (name.empty()) {
    throw ConfigError({"the backbone of the adapter is unknown", place.folder.string(), "--backbone NAME",
                       "`peft-bench backbones` lists the available backbones"});
  }
  return resolve_backbone(name, backbone_search(paths), need);
}

}  // namespace peftbench::adapters
