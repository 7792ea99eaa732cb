#pragma once

#include "backbone/kernels/row_math.h"
#include "backbone/layer.h"

#include <peftbench/tensor.h>

#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

namespace peftbench::backbone {

// fp32: 0 with probability p, else 1/(1−p). Each entry follows from the key and its place alone, in integers, so that
// the mask is the same on every device, for any number of threads, and needs no transfer.
Tensor dropout_mask(at::IntArrayRef sizes, double p, std::uint64_t key, c10::Device device);

// The same mask, a part at a time.
class DropoutMask {
 public:
  DropoutMask(double p, std::uint64_t key);
  void fill(std::int64_t first_place, float* mask, std::int64_t count) const;  // its places first_place …

 private:
  kernels::MaskKey key_;
};

// For packed rows [N, C]: their own masks, or one for all rows of a sequence.
class RowMasks {
 public:
  RowMasks(DropoutMask mask, std::int64_t columns) : mask_(mask), columns_(columns) {}  // each row its own
  RowMasks(const DropoutMask& mask, std::int64_t columns, const std::vector<std::int64_t>& offsets);
  // The mask of a row [C], which may be written to `buffer` [C].
  const float* of(std::int64_t row, float* buffer) const;
  std::int64_t columns() const { return columns_; }

 private:
  DropoutMask mask_;
  std::int64_t columns_;
  std::vector<std::int64_t> sequences_ = {};  // of each row; empty: each row its own
  std::vector<float> shared_ = {};            // [B, C]
};

// For attention weights [B, H, T, S]: their own masks, or one for all queries of a sequence and head.
struct WeightMasks {
  DropoutMask mask;
  std::int64_t heads = 0, queries = 0, keys = 0;  // H; T, or 1 where queries share theirs; S
  // [S] or the first of it.
  void fill(std::int64_t sequence, std::int64_t head, std::int64_t query, float* row, std::int64_t count) const;
};

}  // namespace peftbench::backbone
