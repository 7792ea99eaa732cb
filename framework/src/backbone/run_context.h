#pragma once

#include "backbone/dropout_mask.h"
#include "backbone/layer.h"
#include "core/random.h"

#include <peftbench/hooks.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace peftbench::backbone {

enum class DropoutShape {
  per_sequence,  // one mask for all positions of a sequence, as T5X fine-tunes (broadcast over length)
  elementwise,   // as Hugging Face
};

// How a forward pass is run: for training or not, and with which random numbers.
class RunContext final : public CallContext {
 public:
  // No dropout, no randomness.
  static RunContext inference() { return RunContext(); }
  // `seed` is of this step: every mask drawn in it follows from it and from how many were drawn before, and is the
  // same on every device.
  static RunContext for_training(double dropout, DropoutShape shape, std::uint64_t seed);

  bool training() const override { return training_; }
  double rate() const { return rate_; }
  DropoutShape shape() const { return shape_; }

  Tensor dropout(const Tensor& x, double p) const override;  // elementwise
  // The backbone's own, at its rate and shape. x [N, …] packed by `layout`.
  Tensor backbone_dropout(const Tensor& x, const TokenLayout& layout) const;
  // For attention weights [B, H, T, S].
  Tensor attention_dropout(const Tensor& weights) const;
  // The masks of the next backbone_dropout of [N, columns] and attention_dropout, which they stand for. None: no
  // dropout.
  std::shared_ptr<const RowMasks> row_masks(int64_t columns, const TokenLayout& layout) const;
  std::optional<WeightMasks> weight_masks(int64_t heads, int64_t queries, int64_t keys) const;

 private:
  RunContext() = default;
  Tensor mask(at::IntArrayRef sizes, const Tensor& like, double p) const;
  std::uint64_t next_key() const { return stream_seed(seed_, "mask", masks_++); }
  bool training_ = false;
  double rate_ = 0;
  DropoutShape shape_ = DropoutShape::per_sequence;
  std::uint64_t seed_ = 0;
  mutable std::uint64_t masks_ = 0;  // drawn so far
};

}  // namespace peftbench::backbone
