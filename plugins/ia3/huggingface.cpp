#include "huggingface.h"

#include "scaling.h"

#include <peftbench/error.h>

#include <algorithm>
#include <set>
#include <string_view>

namespace pb = peftbench;

namespace ia3 {
namespace {

const std::string prefix = "base_model.model.", suffix = ".ia3_l";

std::string module_of(const pb::LinearSite& site) {
  const std::string tensor = site.tensor_name();
  return site.layer < 0 ? site.map : tensor.substr(0, tensor.size() - std::string_view(".weight").size());
}
std::string tensor_of(const pb::LinearSite& site) { return prefix + module_of(site) + suffix; }

// A factor on outputs is a column there, a factor on inputs a row.
pb::Shape shape_of(const Scaling& scaling) {
  return scaling.input ? pb::Shape{1, scaling.size()} : pb::Shape{scaling.size(), 1};
}

[[noreturn]] void refuse(const std::string& what, const std::string& found) {
  throw pb::CheckpointError(
      pb::Problem{what, found, "factors on the outputs of linear maps or on the input of wo, each in all layers",
                  "merge the adapter into its model with the program that made it"});
}

// What the config means against what the file holds.
void compare_targets(const pb::ForeignAdapter& adapter, const pb::BackboneSpec& backbone,
                     pb::ImportedAdapter& imported) {
  pb::Names modules, missing;
  for (const pb::LinearSite& site : backbone.linears()) {
    if (site.map != "embedding") modules.push_back(module_of(site));
  }
  pb::ForeignAdapter by_feed_forward;  // peft's rule for feedforward_modules is that for target_modules
  const auto listed = adapter.config.find("feedforward_modules");
  if (listed != adapter.config.end()) by_feed_forward.config["target_modules"] = listed->second;
  pb::Names meant, feed_forward;
  try {
    meant = pb::foreign_targets(adapter, modules, {"k", "v", "wo"});  // peft's defaults for a T5
    feed_forward = pb::foreign_targets(by_feed_forward, modules, {});
  } catch (const pb::ConfigError& error) {
    imported.notes.push_back(std::string("cannot check whether maps are missing: ") + error.what());
    return;
  }
  const auto is_in = [](const pb::Names& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const std::string& module : modules) {
    const auto found = adapter.tensors.find(prefix + module + suffix);
    if (found == adapter.tensors.end()) {
      if (is_in(meant, module)) missing.push_back(module);
      continue;
    }
    if (!is_in(meant, module)) refuse("adapter_config.json does not select a map that the file scales", found->first);
    const bool row = found->second.dim() == 2 && found->second.size(0) == 1;
    if (listed == adapter.config.end() || row == is_in(feed_forward, module)) continue;
    refuse(std::string("the file scales the ") + (row ? "input" : "output") +
               " of a map, but feedforward_modules selects the other",
           found->first);
  }
  if (missing.empty()) return;
  imported.notes.push_back("the adapter has no factors for " + std::to_string(missing.size()) + " of the " +
                           std::to_string(meant.size()) + " maps that its adapter_config.json selects, such as " +
                           missing.front() + ": they remain unchanged");
}

}  // namespace

bool HuggingFaceIa3::recognises(const pb::ForeignAdapter& adapter) const {
  const auto type = adapter.config.find("peft_type");
  return type != adapter.config.end() && type->second == pb::ForeignValue(std::string("IA3"));
}

std::optional<pb::Names> HuggingFaceIa3::entries() const {
  return pb::Names{"target_modules", "exclude_modules", "feedforward_modules",
                   "fan_in_fan_out", "modules_to_save", "init_ia3_weights"};
}

pb::ImportedAdapter HuggingFaceIa3::read(const pb::ForeignAdapter& adapter, const pb::BackboneSpec& backbone) const {
  if (!adapter.names("modules_to_save").empty()) {
    refuse("adapter_config.json: modules_to_save is set", "whole modules were trained with the adapter");
  }
  pb::ImportedAdapter imported;
  const auto frozen = adapter.tensors.find(prefix + "lm_head.base_layer.weight");  // which peft stores beside
  if (frozen != adapter.tensors.end())
    imported.frozen[backbone.tied ? "shared.weight" : "lm_head.weight"] = frozen->second;
  // The tensors tell what is scaled: peft's lists may be expressions, and its feed-forward list goes by word ends.
  std::set<std::string> outputs;
  bool input = false;
  for (const pb::LinearSite& site : backbone.linears()) {
    const auto found = adapter.tensors.find(tensor_of(site));
    if (found == adapter.tensors.end() || site.map == "embedding") continue;
    const bool row = found->second.dim() == 2 && found->second.size(0) == 1;
    if (row && site.map != "wo") refuse("the input of " + site.name() + " is scaled", found->first);
    if (row) {
      input = true;
    } else {
      outputs.insert(site.map);
    }
  }
  if (outputs.empty() && !input) refuse("the adapter has no factors for this backbone's maps", {});
  // Said with ffn, where it can be.
  const bool linear_branch = !input && outputs.erase("wi_1") > 0;
  compare_targets(adapter, backbone, imported);
  imported.values.set("targets", pb::Names(outputs.begin(), outputs.end()));
  imported.values.set("ffn", std::string(input ? "wo_input" : linear_branch ? "wi_1_output" : "none"));

  std::set<std::string> placed = {prefix + "lm_head.base_layer.weight"};  // the frozen one, which peft stores beside
  for (const Scaling& scaling : scalings(imported.values, backbone)) {
    const std::string name = tensor_of(scaling.site);
    const auto found = adapter.tensors.find(name);
    if (found == adapter.tensors.end()) refuse("a map is scaled in some layers only", name);
    if (found->second.sizes() != at::IntArrayRef(shape_of(scaling))) {
      throw pb::CheckpointError(pb::Problem{name + " does not fit this backbone", c10::str(found->second.sizes()),
                                            c10::str(at::IntArrayRef(shape_of(scaling))),
                                            "use the backbone that the adapter was trained for"});
    }
    imported.tensors[scaling.site.name() + ".scale"] = found->second.reshape({-1});
    placed.insert(name);
  }
  for (const auto& [name, tensor] : adapter.tensors) {
    if (placed.contains(name)) continue;
    if (name.find(suffix + ".") != std::string::npos)
      refuse(
          "the tensor names contain the adapter name: this is the state dict of a model in memory, not a file of "
          "save_pretrained",
          name);
    throw pb::CheckpointError(pb::Problem{"a tensor of the adapter does not fit this backbone", name,
                                          "such as " + tensor_of(backbone.linears().front()),
                                          "use the backbone that the adapter was trained for"});
  }
  return imported;
}

pb::ForeignAdapter HuggingFaceIa3::write(const pb::Values& values, const pb::BackboneSpec& backbone,
                                         const std::map<std::string, pb::Tensor>& stored) const {
  pb::ForeignAdapter adapter;
  std::set<std::string> maps;
  pb::Names feed_forward;
  for (const Scaling& scaling : scalings(values, backbone)) {
    maps.insert(scaling.site.map);
    if (scaling.input) feed_forward = {scaling.site.map};
    adapter.tensors[tensor_of(scaling.site)] = stored.at(scaling.site.name() + ".scale").reshape(shape_of(scaling));
  }
  adapter.config = {
      {"peft_type", "IA3"},
      {"target_modules", pb::Names(maps.begin(), maps.end())},
      {"feedforward_modules", feed_forward},
      {"fan_in_fan_out", false},
      {"init_ia3_weights", true},
      {"modules_to_save", std::monostate()},
  };
  return adapter;
}

}  // namespace ia3
