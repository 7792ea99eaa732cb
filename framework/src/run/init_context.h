#pragma once

#include "backbone/backbone.h"
#include "plan/compiled_plan.h"
#include "plugin/finder.h"
#include "run/layer.h"
#include "text/tokenizer.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace peftbench::run {

// What first values of parameters are made from in a run. The references outlive the contexts.
struct InitSources {
  const Backbone& backbone;
  const PluginFinder& finder;                  // of methods that read other programs' adapters
  std::shared_ptr<const Tokenizer> tokenizer;  // null if the backbone's folder has no vocabulary
  std::vector<std::string> labels;
  std::uint64_t seed = 0;
  std::function<void(std::string)> warn;
};

CompiledPlan::ContextFactory init_contexts(InitSources sources);

}  // namespace peftbench::run
