#pragma once

#include "core/files.h"
#include "plan/compiled_plan.h"

#include <peftbench/spec.h>

#include <array>
#include <string_view>

namespace peftbench {

// The forms in which a Hugging Face folder may hold its weights, best first.
inline constexpr std::array<std::string_view, 4> weight_files = {"model.safetensors", "model.safetensors.index.json",
                                                                 "pytorch_model.bin", "pytorch_model.bin.index.json"};

// All tensors of a folder, of one file or of all shards. Throws CheckpointError.
TensorMap read_weights(const fs::path& folder);

// Sizes of the folder's model, with `tied` as its weights have it.
BackboneSpec read_spec(const fs::path& folder);

// Takes what the spec asks for out of `tensors`, in its order, and settles spec.tied. Copies of tied tensors that
// files carry are dropped. Throws CheckpointError that lists all that is missing, surplus, misshapen or damaged.
std::vector<Tensor> match_tensors(BackboneSpec& spec, TensorMap tensors, const std::string& origin);

}  // namespace peftbench
