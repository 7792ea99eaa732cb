#pragma once

#include "plan/compiled_plan.h"
#include "plugin/loader.h"

namespace peftbench {

// The method's plan for a backbone of these sizes, without values.
CompiledPlan compile_plan(const LoadedPlugin& plugin, const Values& values, const BackboneSpec& spec,
                          const TaskShape& task);

}  // namespace peftbench
