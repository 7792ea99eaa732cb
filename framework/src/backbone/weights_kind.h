#pragma once

#include "core/files.h"
#include "plan/compiled_plan.h"

#include <peftbench/error.h>
#include <peftbench/spec.h>

#include <optional>
#include <string>

namespace peftbench {

// Takes off what programs that wrap a model put before its names: "module." (DistributedDataParallel), "_orig_mod."
// (torch.compile), "model." and the like. Throws CheckpointError where a prefix is not known.
void strip_wrappers(TensorMap& tensors, const std::string& origin);

// What tensors that are not a T5's whole weights are instead; nothing where that cannot be told.
std::optional<Problem> other_kind(const BackboneSpec& spec, const TensorMap& tensors, const std::string& origin);

// What quantised the weights in the folder (bitsandbytes, gptq …), as its config.json says; empty: nothing.
std::string quantizer_of(const fs::path& folder);
Problem quantized_weights(const std::string& origin, const std::string& found);

}  // namespace peftbench
