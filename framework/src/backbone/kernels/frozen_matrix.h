#pragma once

#include "backbone/kernels/small_products.h"
#include "backbone/layer.h"

#include <peftbench/tensor.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace peftbench::backbone::kernels {

// A frozen matrix W [out, in], on the CPU, in tiles of outputs, as oneDNN's small products read them. A product reads x
// and writes y in fp32; in between values are of the matrix's type: fp32, bf16 (summed in fp32), or int8 (codes with a
// scale for each row of W and of x, summed in integers).
class FrozenMatrix {
 public:
  // LibTorch and this processor multiply so.
  static bool available(at::ScalarType type);
  // Values of another type are rounded: for int8 to the nearest codes.
  FrozenMatrix(const Tensor& matrix, at::ScalarType type);
  FrozenMatrix(const Tensor& codes, Tensor scales);  // int8 [out, in], fp32 [out]

  at::ScalarType type() const { return type_; }
  std::int64_t in() const { return in_; }
  std::int64_t out() const { return out_; }
  std::int64_t bytes() const;
  Tensor values() const;  // W again, to the bit; of int8 in fp32

 private:
  friend class ProductRows;
  void pack(const Tensor& matrix);
  at::ScalarType type_;
  std::int64_t in_, out_;
  Tensor tiles_;    // one after another, each [in / g, columns, g], g values of a column side by side
  Tensor scales_;   // [out], of int8
  Tensor offsets_;  // [out] int32, of int8: what the offset of x's codes adds to a sum
};

class FrozenMap;
using FrozenMaps = std::vector<std::shared_ptr<const FrozenMap>>;

// A frozen map: its matrix, and what is made of it when first asked for.
class FrozenMap {
 public:
  explicit FrozenMap(FrozenMatrix weight) : weight_(std::move(weight)) {}
  const FrozenMatrix& weight() const { return weight_; }
  const FrozenMatrix& transposed() const;  // for the gradient of x
  // Its outputs in H parts of as many, each a map of its own: always of the same H.
  const FrozenMaps& heads(std::int64_t heads) const;
  // Of the matrix alone: what is made of it later depends on what was asked for so far, and a record must not.
  std::int64_t bytes() const { return weight_.bytes(); }

 private:
  FrozenMatrix weight_;
  mutable std::once_flag once_, heads_once_;
  mutable std::optional<FrozenMatrix> transposed_;
  mutable FrozenMaps heads_;
};

// At most `most` rows of an x, as frozen matrices of a type read them. Memory of one thread.
class ProductRows {
 public:
  static constexpr std::int64_t most = 64;
  // x [count, columns] fp32, of rows `stride` apart, must stay while fp32 products are made of it.
  void take(const float* x, std::int64_t stride, std::int64_t count, std::int64_t columns, at::ScalarType type);
  // y [count, out] = x Wᵀ + (add ? y : 0), of rows `stride` apart. A row that is not finite gives NaN in int8.
  void multiply(const FrozenMatrix& w, float* y, std::int64_t stride, bool add = false) const;

 private:
  std::int64_t count_ = 0, padded_ = 0, columns_ = 0, stride_ = 0;
  at::ScalarType type_ = at::kFloat;
  const void* data_ = nullptr;
  std::vector<std::byte> memory_;
  float factors_[most] = {};  // of int8
  ReleasesTiles at_the_end_;
};

}  // namespace peftbench::backbone::kernels
