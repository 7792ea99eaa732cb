#include "adapters/merge.h"

#include "backbone/model_folder.h"
#include "backbone/unchanged.h"
#include "core/json.h"
#include "core/names.h"

#include <peftbench/error.h>

#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include <set>

namespace peftbench::adapters {
namespace {

using detail::PlanGroup;

// The weight that does what the hook does; undefined where there is none.
Tensor merged_weight(const BackboneSpec& spec, const PlanGroup& group, const LinearSite& site, const Tensor& weight) {
  // One table cannot take the changes of two sites.
  if (spec.tied && (site.map == "lm_head" || site.map == "embedding")) return {};
  return group.linear[static_cast<std::size_t>(site.index)]->merged(weight).value_or(Tensor());
}

}  // namespace

TensorMap merged_tensors(const Backbone& backbone, const CompiledPlan& plan) {
  const at::NoGradGuard no_gradient;
  backbone.refresh(plan);
  const BackboneSpec& spec = backbone.spec();
  TensorMap tensors;
  for (const ParameterSite& site : spec.parameters()) tensors[site.tensor] = backbone.frozen(site.index).to(at::kFloat);
  for (const auto& group : plan.groups()) {
    std::set<std::string> left;
    for (const auto& [name, site] : group->claimed) {
      const bool training_alone = site.kind == detail::SiteKind::loss || site.kind == detail::SiteKind::step_end;
      if (!training_alone) left.insert(name);
    }
    for (const ParameterSite& site : spec.parameters()) {
      const Tensor& value = group->overrides[static_cast<std::size_t>(site.index)];
      if (!value.defined()) continue;
      tensors[site.tensor] = value.detach();
      left.erase(site.name());
    }
    for (const auto& [name, site] : group->linear_sites) {
      Tensor& weight = tensors.at(site.tensor_name());
      const Tensor merged = merged_weight(spec, *group, site, weight);
      if (!merged.defined()) continue;
      weight = merged.detach();
      left.erase(name);
    }
    if (left.empty()) continue;
    const std::vector<std::string> names(left.begin(), left.end());
    throw ConfigError({group->method + " cannot be merged completely into the backbone",
                       "remaining hooks at " + join(names), "a method that changes only weights",
                       "export it in another format (--format huggingface), or keep the adapter separate"});
  }
  return tensors;
}

fs::path write_model(const fs::path& folder, const TensorMap& tensors, const fs::path& source) {
  auto config = read_json<nlohmann::ordered_json, CheckpointError>(source / "config.json");
  for (const char* key : {"dtype", "torch_dtype"})
    if (config.contains(key)) config[key] = "float32";
  ModelFiles files{config.dump(2) + "\n", tensors, vocabulary_files(source / spiece_file)};
  const std::string generation = "generation_config.json";
  if (file_exists(source / generation)) files.others[generation] = read_text(source / generation);
  return write_model_folder(folder, files, [] { require_unchanged_files(); });
}

}  // namespace peftbench::adapters
