#include "run/adapter_place.h"

#include "backbone/quantization.h"
#include "results/result_store.h"
#include "run/adapter.h"
#include "run/foreign.h"

#include <peftbench/error.h>

namespace peftbench {

AdapterPlace find_adapter(const std::string& name, const fs::path& runs) {
  AdapterPlace place{adapter_folder(name), {}, {}};
  if (!file_exists(place.folder / "adapter.json")) {
    if (is_foreign_adapter(name)) return place;
    place.folder = find_run(name, runs).adapter();
  }
  const fs::path record_file = fs::absolute(place.folder).lexically_normal().parent_path() / "record.json";
  if (!file_exists(record_file)) return place;
  const RunRecord record = read_record(record_file);
  if (!file_exists(place.folder / "adapter.json"))
    throw DataError({"the run has not finished, so it has no adapter yet",
                     "status " + record.status,
                     {},
                     "start its command again: it continues"});
  // A backbone in a folder of the user's is found by its path, others by their names.
  place.backbone = file_exists(fs::path(record.backbone.folder) / "config.json") ? record.backbone.folder : "";
  const Json& load = record.config.at("backbone");  // the checksum is of the weights as they were in the run
  if (load.value("precision", "") == "bfloat16") place.load.precision = Precision::bfloat16;
  place.load.quantization = quantization_named(load.value("quantization", "none")).value_or(Quantization::none);
  return place;
}

ResolvedBackbone backbone_of(const AdapterPlace& place, const std::string& given, const Places& places,
                             BackboneNeed need) {
  std::string name = given.empty() ? place.backbone : given;
  if (name.empty() && file_exists(place.folder / "adapter.json"))
    name = read_adapter_info(place.folder, PluginFinder(places.plugin_files)).backbone;
  if (name.empty()) {
    throw ConfigError({"the backbone of the adapter is not known", place.folder.string(), "--backbone NAME",
                       "`peft-bench backbones` lists what there is"});
  }
  return resolve_backbone(name, backbone_search(places.home), need);
}

}  // namespace peftbench
