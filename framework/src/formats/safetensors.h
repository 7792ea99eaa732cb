#pragma once

#include "core/files.h"
#include "formats/layer.h"
#include "formats/tensor_map.h"

#include <map>
#include <string>

namespace peftbench::formats {

struct TensorFile {
  TensorMap tensors;
  std::map<std::string, std::string> metadata;
};

// The tensors lie in the mapped file and keep it mapped: they must not be written to, so clone what will be.
// Everything in the file is checked before it is used. Throws CheckpointError.
TensorFile read_safetensors(const fs::path& path);

// Atomic; the same tensors give the same bytes, those of the official library.
void write_safetensors(const fs::path& path, const TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace peftbench::formats
