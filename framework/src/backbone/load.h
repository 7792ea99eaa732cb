#pragma once

#include "architectures/architecture.h"
#include "backbone/layer.h"
#include "core/files.h"
#include "plan/compiled_plan.h"

#include <peftbench/spec.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::backbone {

// The forms in which a Hugging Face folder may hold its weights, best first.
inline constexpr std::array<std::string_view, 4> weight_files = {"model.safetensors", "model.safetensors.index.json",
                                                                 "pytorch_model.bin", "pytorch_model.bin.index.json"};

bool has_weights(const fs::path& folder);

std::string shape_text(const Shape& shape);  // "[32, 6]"

// Norms and position biases: kept in fp32, and small enough to look at each number.
bool is_small(const TensorRole& role);

// All tensors of a folder, of one file or of all shards. Throws CheckpointError.
TensorMap read_weights(const fs::path& folder);

// Sizes of the folder's model; its head is tied as the weights have it, or as config.json suggests without weights.
BackboneSpec read_spec(const fs::path& folder);

// The head is tied unless the weights hold a head of its own that differs from the embedding table. `suggested`
// decides if they contain only a head.
bool head_is_tied(const Architecture& architecture, const TensorMap& tensors, bool suggested);

// The tensors of the spec, in its order. Duplicates of tied tensors, which files may contain, are dropped. Throws
// CheckpointError that lists all missing, unexpected, misshapen and damaged tensors; `origin` names the source.
std::vector<Tensor> match_tensors(const BackboneSpec& spec, TensorMap tensors, const std::string& origin);

}  // namespace peftbench::backbone
