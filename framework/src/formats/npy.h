#pragma once

#include "core/files.h"
#include "formats/layer.h"

#include <peftbench/tensor.h>

#include <string>
#include <string_view>

namespace peftbench::formats {

// The array of a NumPy .npy file as fp32: float16, float32 or float64, little-endian, in C order. Throws
// CheckpointError.
Tensor read_npy(const fs::path& path);

// The same from bytes; `origin` names them in messages.
Tensor parse_npy(std::string_view bytes, const std::string& origin);

// As numpy.save writes a float32 array; atomic.
void write_npy(const fs::path& path, const Tensor& tensor);

}  // namespace peftbench::formats
