#include "run/exchange.h"

#include "backbone/hub.h"
#include "backbone/quantization.h"
#include "results/result_store.h"
#include "run/foreign.h"
#include "run/merge.h"

#include <peftbench/error.h>

namespace peftbench {
namespace {

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// An adapter as it was named, and what the record of its run says of the backbone, where there is one.
struct Place {
  fs::path folder;
  std::string backbone;
  LoadOptions load;
};

Place find_adapter(const std::string& name, const fs::path& runs) {
  Place place{adapter_folder(name), {}, {}};
  if (!is_file(place.folder / "adapter.json")) {
    if (is_foreign_adapter(name)) return place;
    place.folder = find_run(name, runs).adapter();
  }
  const fs::path record_file = fs::absolute(place.folder).lexically_normal().parent_path() / "record.json";
  if (!is_file(record_file)) return place;
  const RunRecord record = read_record(record_file);
  if (!is_file(place.folder / "adapter.json"))
    throw DataError({"the run has not finished, so it has no adapter yet",
                     "status " + record.status,
                     {},
                     "start its command again: it continues"});
  // A backbone in a folder of the user's is found by its path, others by their names.
  place.backbone = is_file(fs::path(record.backbone.folder) / "config.json") ? record.backbone.folder : "";
  const Json& load = record.config.at("backbone");  // the checksum is of the weights as they were in the run
  if (load.value("precision", "") == "bfloat16") place.load.precision = Precision::bfloat16;
  place.load.quantization = quantization_named(load.value("quantization", "none")).value_or(Quantization::none);
  return place;
}

ResolvedBackbone backbone_for(const ExportRequest& request, const Place& place, BackboneNeed need) {
  std::string name = request.backbone.empty() ? place.backbone : request.backbone;
  if (name.empty() && is_file(place.folder / "adapter.json"))
    name = read_adapter_info(place.folder, PluginFinder(request.places.plugin_files)).backbone;
  if (name.empty()) {
    throw ConfigError({"the backbone of the adapter is not known", place.folder.string(), "--backbone NAME",
                       "`peft-bench backbones` lists what there is"});
  }
  return resolve_backbone(name, backbone_search(request.places.home), need);
}

ForeignAdapter in_form(const Adapter& adapter, const LoadedPlugin& plugin, const AdapterFormat& format,
                       const BackboneSpec& backbone, const TensorMap& stored) {
  ForeignAdapter foreign;
  call_plugin(plugin, PluginStep::planning, "writing its adapter as " + format.name(),
              [&] { foreign = format.write(adapter.info.values, backbone, stored); });
  return foreign;
}

}  // namespace

ImportOutcome import_adapter(const ImportRequest& request) {
  const PluginFinder finder(request.places.plugin_files);
  if (!is_foreign_adapter(request.adapter) && is_file(adapter_folder(request.adapter) / "adapter.json"))
    throw ConfigError({"the adapter is one of this program already", request.adapter.string(), {}, "use it as it is"});
  const ResolvedBackbone resolved = resolve_backbone(request.backbone, backbone_search(request.places.home),
                                                     request.out ? BackboneNeed::weights : BackboneNeed::sizes);
  std::shared_ptr<const Backbone> backbone;
  if (request.out) backbone = Backbone::load(resolved.folder.value());
  const BackboneSpec& spec = backbone ? backbone->spec() : resolved.spec;
  Adapter adapter = read_adapter(request.adapter, finder, spec, request.method);
  const CompiledPlan plan = plan_of(adapter, finder, spec);  // refuses what does not fit
  adapter.info.backbone = resolved.name;
  if (request.out) {
    adapter.info.backbone_checksum = backbone->checksum();
    write_adapter(*request.out, adapter.info, plan.stored());
  }
  return {adapter.info, adapter.format, finder.load_method(adapter.info.method), plan.stored()};
}

ExportOutcome export_adapter(const ExportRequest& request) {
  const PluginFinder finder(request.places.plugin_files);
  const Place place = find_adapter(request.adapter, request.runs);
  const bool merges = request.format == "merged";
  const ResolvedBackbone resolved = backbone_for(request, place, merges ? BackboneNeed::weights : BackboneNeed::sizes);
  ExportOutcome outcome;
  outcome.format = request.format;
  TensorMap written;
  if (merges) {
    const auto backbone = Backbone::load(resolved.folder.value(), place.load);
    const CompiledPlan plan = load_adapter(place.folder, finder, *backbone, backbone->checksum());
    outcome.method = plan.only()->method;
    written = merged_tensors(*backbone, plan);
    outcome.file = write_model(request.out, written, resolved.folder.value());
  } else {
    const Adapter adapter = read_adapter(place.folder, finder, resolved.spec);
    const PluginHandle plugin = finder.load_method(adapter.info.method);
    outcome.method = plugin->name;
    const CompiledPlan plan = plan_of(adapter, finder, resolved.spec);  // refuses what does not fit
    const ForeignAdapter foreign =
        in_form(adapter, *plugin, *format_named(*plugin, request.format), resolved.spec, plan.stored());
    outcome.file = write_foreign_adapter(request.out, foreign, resolved.name);
    written = foreign.tensors;
  }
  outcome.tensors = static_cast<std::int64_t>(written.size());
  for (const auto& [name, tensor] : written) outcome.elements += tensor.numel();
  return outcome;
}

}  // namespace peftbench
