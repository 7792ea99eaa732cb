#include "adapters/exchange.h"

#include "adapters/adapter_place.h"
#include "adapters/card.h"
#include "adapters/foreign.h"
#include "adapters/merge.h"
#include "backbone/hub.h"
#include "backbone/load.h"
#include "core/first_line.h"
#include "core/write_files.h"
#include "plugin/compile_plan.h"
#include "results/adapter_files.h"

#include <peftbench/error.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <c10/util/accumulate.h>

#include <functional>

namespace peftbench::adapters {
namespace {

// Nothing of the user's is written over: two files that belong together could not be replaced at once.
void refuse_filled(const fs::path& target) {
  std::error_code error;
  if (!fs::exists(target, error) || (fs::is_directory(target, error) && fs::is_empty(target, error))) return;
  throw ConfigError({.what = target.string() + " already exists",
                     .expected = "a new or empty folder",
                     .remedy = "choose another folder, or remove it first"});
}

// The program that loads what was written to the folder.
std::string library_of(const fs::path& folder, const std::string& format) {
  if (format == "merged") return "transformers";
  return file_exists(folder / adapter_file::peft_config) ? "peft" : "peft-bench";
}

// The file that `write` names, in the folder that it then lies in, with a card. One array is a file of its own.
fs::path write_whole(const ExportRequest& request, const AdapterPlace& place, const AdapterInfo& info,
                     const std::function<fs::path(const fs::path&)>& write) {
  const fs::path& target = request.out;
  if (target.extension() == ".npy") return write(target);
  fs::path file;
  write_folder(target, [&](const fs::path& folder) {
    file = write(folder);
    const std::string library = library_of(folder, request.format);
    write_card(folder, place.record ? report::card_facts(*place.record, request.format, library)
                                    : card_facts(info, request.format, library));
  });
  return target / file.filename();
}

ForeignAdapter in_form(const Adapter& adapter, const LoadedPlugin& plugin, const AdapterFormat& format,
                       const BackboneSpec& backbone, const TensorMap& stored) {
  ForeignAdapter foreign;
  call_plugin(plugin, PluginStep::planning, "writing its adapter as " + format.name(),
              [&] { foreign = format.write(adapter.info.values, backbone, stored); });
  return foreign;
}

// Sizes alone do not say whether a frozen tensor that lies beside is the backbone's.
void note_uncompared(Adapter& adapter) {
  for (const auto& [name, tensor] : adapter.frozen)
    adapter.notes.push_back("the adapter file also contains " + name + ", which was not compared with the backbone's");
}

// No two equal, since some forms hold equal values alone; of a whole backbone's tensors one value without memory.
Tensor unlike_values(const Shape& shape) {
  constexpr int64_t small = 1 << 24;
  const int64_t count = c10::multiply_integers(shape);
  return count > small ? at::zeros({1}).expand(shape) : at::arange(count, at::kFloat).reshape(shape);
}

}  // namespace

ImportOutcome import_adapter(const ImportRequest& request) {
  if (request.out) refuse_filled(*request.out);
  const PluginFinder finder(request.paths.plugin_files);
  if (!is_foreign_adapter(request.adapter) && file_exists(adapter_folder(request.adapter) / adapter_file::description))
    throw ConfigError({.what = "the adapter is already in peft-bench's format",
                       .found = request.adapter.string(),
                       .remedy = "use it as it is"});
  const ResolvedBackbone resolved = resolve_backbone(request.backbone, backbone_search(request.paths),
                                                     request.out ? BackboneNeed::weights : BackboneNeed::sizes);
  std::shared_ptr<const Backbone> backbone;
  if (request.out) backbone = Backbone::load(resolved.folder.value());
  const BackboneSpec& spec = backbone ? backbone->spec() : resolved.spec;
  Adapter adapter = read_adapter(request.adapter, finder, spec, request.method);
  const CompiledPlan plan = plan_of(adapter, finder, spec);  // refuses what does not fit
  adapter.info.backbone = resolved.name;
  if (backbone) {
    check_frozen(adapter, *backbone);
  } else {
    note_uncompared(adapter);
  }
  if (request.out) {
    adapter.info.backbone_checksum = backbone->checksum();
    write_folder(*request.out, [&](const fs::path& folder) {
      write_adapter(folder, adapter.info, plan.stored());
      write_card(folder, card_facts(adapter.info, "peft-bench", "peft-bench"));
    });
  }
  return {adapter.info, adapter.format, finder.load_method(adapter.info.method), plan.stored(), adapter.notes};
}

std::vector<std::string> why_not_exportable(const LoadedPlugin& plugin, const Values& values,
                                            const BackboneSpec& backbone, const TaskShape& task) {
  std::vector<std::string> reasons;
  if (plugin.schema.formats().empty()) return reasons;
  const CompiledPlan plan = compile_plan(plugin, values, backbone, task);
  TensorMap example;
  for (const auto& slot : plan.slots())
    if (!slot->training_only) example.emplace(slot->name, unlike_values(slot->shape));
  for (const auto& format : plugin.schema.formats()) {
    try {
      call_plugin(plugin, PluginStep::planning, "checking whether its adapter can be exported",
                  [&] { format->write(values, backbone, example); });
      return {};
    } catch (const Error& error) {
      reasons.push_back(format->name() + ": " + first_line(error.what()));
    }
  }
  return reasons;
}

ExportOutcome export_adapter(const ExportRequest& request) {
  refuse_filled(request.out);
  const PluginFinder finder(request.paths.plugin_files);
  const AdapterPlace place = find_adapter(request.adapter, request.runs);
  const bool merges = request.format == "merged";
  const ResolvedBackbone resolved =
      backbone_of(place, request.backbone, request.paths, merges ? BackboneNeed::weights : BackboneNeed::sizes);
  ExportOutcome outcome;
  outcome.format = request.format;
  TensorMap written;
  if (merges) {
    const auto backbone = Backbone::load(resolved.folder.value(), place.load);
    const Adapter adapter = read_adapter(place.folder, finder, backbone->spec());
    check_backbone(adapter, *backbone, backbone->checksum());
    outcome.notes = adapter.notes;
    const CompiledPlan plan = plan_of(adapter, finder, backbone->spec());
    outcome.method = plan.only()->method;
    written = merged_tensors(*backbone, plan);
    outcome.file = write_whole(request, place, adapter.info, [&](const fs::path& folder) {
      return write_model(folder, written, resolved.folder.value());
    });
  } else {
    Adapter adapter = read_adapter(place.folder, finder, resolved.spec);
    note_uncompared(adapter);
    // A folder of that name may hold another model by now. Where only sizes are there, nothing can be compared.
    if (place.made_from && resolved.folder && has_weights(*resolved.folder)) {
      const auto backbone = Backbone::load(*resolved.folder, place.load);
      check_backbone(adapter, *backbone, backbone->checksum());
    }
    const PluginHandle plugin = finder.load_method(adapter.info.method);
    outcome.method = plugin->name;
    outcome.notes = adapter.notes;
    const CompiledPlan plan = plan_of(adapter, finder, resolved.spec);  // refuses what does not fit
    const ForeignAdapter foreign =
        in_form(adapter, *plugin, *format_named(*plugin, request.format), resolved.spec, plan.stored());
    outcome.file = write_whole(request, place, adapter.info, [&](const fs::path& place_of_it) {
      return write_foreign_adapter(place_of_it, foreign, resolved.name);
    });
    written = foreign.tensors;
  }
  outcome.tensors = static_cast<std::int64_t>(written.size());
  for (const auto& [name, tensor] : written) outcome.elements += tensor.numel();
  return outcome;
}

}  // namespace peftbench::adapters
