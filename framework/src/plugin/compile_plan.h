#pragma once

#include "plan/compiled_plan.h"
#include "plugin/layer.h"
#include "plugin/loader.h"

namespace peftbench::plugin {

// The method's plan for a backbone of these sizes, without values.
CompiledPlan compile_plan(const LoadedPlugin& plugin, const Values& values, const BackboneSpec& spec,
                          const TaskShape& task);

}  // namespace peftbench::plugin
