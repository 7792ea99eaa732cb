#pragma once

#include "core/files.h"
#include "formats/layer.h"

#include <peftbench/tensor.h>

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace peftbench::formats {

// Bytes of a dense tensor of this shape; nothing if that, or its strides, cannot be counted.
std::optional<std::uint64_t> checked_bytes(const Shape& shape, at::ScalarType type);

Shape contiguous_strides(const Shape& shape);

// A tensor over `data` in the file, which it keeps mapped; a copy where the data is not aligned for its type.
// The caller has checked that it lies within the file. Throws CheckpointError for bytes that are no booleans.
Tensor mapped_tensor(const std::shared_ptr<const MappedFile>& file, const std::byte* data, const Shape& shape,
                     const Shape& strides, at::ScalarType type);

// Clones made without Git LFS hold small text files in place of weights.
void refuse_git_lfs_pointer(const MappedFile& file);

}  // namespace peftbench::formats
