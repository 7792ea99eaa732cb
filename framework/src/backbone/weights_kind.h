#pragma once

#include "backbone/layer.h"
#include "core/files.h"
#include "formats/tensor_map.h"

#include <peftbench/error.h>
#include <peftbench/spec.h>

#include <optional>
#include <string>

namespace peftbench::backbone {

// Removes the prefixes that wrappers of a model add to its names: "module." (DistributedDataParallel), "_orig_mod."
// (torch.compile), "model." and the like. Throws CheckpointError for an unknown prefix.
void strip_wrappers(TensorMap& tensors, const std::string& origin);

// Describes tensors that are not the complete weights of a T5; nothing if unknown.
std::optional<Problem> other_kind(const BackboneSpec& spec, const TensorMap& tensors, const std::string& origin);

// What quantised the weights in the folder (bitsandbytes, gptq …), as its config.json says; empty: nothing.
std::string quantizer_of(const fs::path& folder);
Problem quantized_weights(const std::string& origin, const std::string& found);

}  // namespace peftbench::backbone
