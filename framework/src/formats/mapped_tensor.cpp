#include "formats/mapped_tensor.h"

#include <peftbench/error.h>

#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>

namespace peftbench::formats {

namespace {

// Elements from the first to the last that a strided tensor reaches.
int64_t extent(const Shape& shape, const Shape& strides) {
  int64_t last = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return 0;
    last += (shape[i] - 1) * strides[i];
  }
  return last + 1;
}

}  // namespace

std::optional<std::uint64_t> checked_bytes(const Shape& shape, at::ScalarType type) {
  // Strides are products of the sizes other than zero, so they count even where there is no element.
  std::uint64_t bytes = c10::elementSize(type);
  bool empty = false;
  for (const int64_t size : shape) {
    empty |= size == 0;
    if (size < 0 || (size > 0 && __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes)))
      return std::nullopt;
  }
  if (bytes > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return empty ? 0 : bytes;
}

Shape contiguous_strides(const Shape& shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0; stride *= std::max<int64_t>(shape[i], 1)) strides[i] = stride;
  return strides;
}

Tensor mapped_tensor(const std::shared_ptr<const MappedFile>& file, const std::byte* data, const Shape& shape,
                     const Shape& strides, at::ScalarType type) {
  const std::size_t width = c10::elementSize(type);
  const std::size_t bytes = static_cast<std::size_t>(extent(shape, strides)) * width;
  if (type == at::kBool && std::any_of(data, data + bytes, [](std::byte b) { return b > std::byte{1}; })) {
    throw CheckpointError(Problem{.what = file->path().string() + ": invalid value in a boolean tensor",
                                  .expected = "0 or 1 in each byte",
                                  .remedy = "the file is damaged: download or write it again"});
  }
  const at::TensorOptions options = at::TensorOptions(type);
  if (reinterpret_cast<std::uintptr_t>(data) % width != 0) {
    Tensor copy = at::empty_strided(shape, strides, options);
    if (bytes > 0) std::memcpy(copy.mutable_data_ptr(), data, bytes);
    return copy;
  }
  // from_blob has no const form; nothing of this layer writes to what it returns.
  return at::from_blob(
      const_cast<std::byte*>(data), shape, strides, [file, data, bytes](void*) { file->release_pages(data, bytes); },
      options);
}

void refuse_git_lfs_pointer(const MappedFile& file) {
  if (!file.text().starts_with("version https://git-lfs.github.com/spec/")) return;
  throw CheckpointError(Problem{file.path().string() + " contains no weights", "a Git LFS pointer",
                                "the file that it points to", "run `git lfs pull` in that folder"});
}

}  // namespace peftbench::formats
