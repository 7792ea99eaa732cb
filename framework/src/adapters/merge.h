#pragma once

#include "adapters/layer.h"
#include "backbone/backbone.h"

namespace peftbench::adapters {

// The backbone's tensors with everything that the plan does in them. Throws ConfigError naming the sites at which
// something would be left.
TensorMap merged_tensors(const Backbone& backbone, const CompiledPlan& plan);

// A Hugging Face folder with these tensors in place of those of `source`: config.json, model.safetensors, vocabulary.
// Returns the weights' file.
fs::path write_model(const fs::path& folder, const TensorMap& tensors, const fs::path& source);

}  // namespace peftbench::adapters
