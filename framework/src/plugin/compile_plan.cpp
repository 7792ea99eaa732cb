#include "plugin/compile_plan.h"

namespace peftbench::plugin {

CompiledPlan compile_plan(const LoadedPlugin& plugin, const Values& values, const BackboneSpec& spec,
                          const TaskShape& task) {
  const std::unique_ptr<Method> method = make_method(plugin, values);
  PlanBuilder builder(spec, task);
  builder.set_claimant(plugin.name);
  plan_method(plugin, *method, builder);
  return CompiledPlan(builder.finish());
}

}  // namespace peftbench::plugin
