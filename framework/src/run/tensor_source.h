#pragma once

#include "core/files.h"

#include <peftbench/tensor.h>

#include <functional>
#include <string>
#include <vector>

namespace peftbench {

// A tensor by a parameter's name from what holds trained values: a .npy file (of one tensor), a .safetensors file, an
// adapter's or checkpoint's folder of ours, or a Hugging Face adapter's. `parameter` may be several names parted by
// '|', of which the first found is taken; where the file holds one tensor only, its name does not matter. fp32, a
// copy. Throws CheckpointError that lists what there is.
Tensor read_parameter(const fs::path& path, const std::string& parameter, const std::function<void(std::string)>& warn);

// The files that would be read: none if the path is no such place. A run's identity has their hash.
std::vector<fs::path> files_of_values(const fs::path& path);

}  // namespace peftbench
