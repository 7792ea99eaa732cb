#pragma once

#include "core/files.h"
#include "formats/layer.h"
#include "formats/tensor_map.h"

namespace peftbench::formats {

// The state dict in a file of torch.save (zip form, PyTorch 1.6 and later), read without executing its pickle: only
// what a state dict is made of is understood, anything else is refused by its name. The tensors lie in the mapped
// file as in read_safetensors. Throws CheckpointError.
TensorMap read_torch_pickle(const fs::path& path);

}  // namespace peftbench::formats
