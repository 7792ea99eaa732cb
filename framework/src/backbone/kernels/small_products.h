#pragma once

#include "backbone/layer.h"

#include <peftbench/tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

// Products of matrices that fit a core's cache, on the calling thread: C [m, n] = A [m, k] B [k, n] of fp32, or of bf16
// with sums in fp32. Sizes are rounded up to `step` with zeros, since a product is compiled for its sizes.
namespace peftbench::backbone::kernels {

inline constexpr std::int64_t step = 16;
inline std::int64_t in_steps(std::int64_t n) { return (n + step - 1) / step * step; }

// Releases the tile registers (AMX) that products have configured on this thread: oneDNN's other operators would find
// them configured otherwise.
struct ReleasesTiles {
  ReleasesTiles() = default;
  ReleasesTiles(const ReleasesTiles&) = default;
  ReleasesTiles& operator=(const ReleasesTiles&) = default;
  ~ReleasesTiles();
};

// A row-major fp32 matrix within another.
struct MatrixView {
  const float* data;
  std::int64_t stride;  // from row to row
  std::int64_t rows, columns;
};

class SmallMatrix {
 public:
  std::int64_t rows() const { return rows_; }        // in steps
  std::int64_t columns() const { return columns_; }  // in steps

 protected:
  explicit SmallMatrix(at::ScalarType type) : type_(type) {}
  // For values of these sizes, with zeros behind them.
  void start(std::int64_t rows, std::int64_t columns);
  template <class Value>
  Value* at(std::int64_t place) {
    return reinterpret_cast<Value*>(memory_.data()) + place;
  }
  at::ScalarType type_;
  std::int64_t rows_ = 0, columns_ = 0, stride_ = 0;
  std::int64_t own_rows_ = -1, own_columns_ = -1;  // without what fills the steps
  const void* data_ = nullptr;
  std::vector<std::byte> memory_;
  std::vector<float> buffer_;
  ReleasesTiles at_the_end_;
};

class LeftMatrix final : public SmallMatrix {
 public:
  explicit LeftMatrix(at::ScalarType type) : SmallMatrix(type) {}
  void take(const MatrixView& x);             // A = x
  void take_transposed(const MatrixView& x);  // A = xᵀ
  // A = x, whose rows and columns there is memory for in steps, zeros behind its own; it must stay.
  void borrow(const MatrixView& x);

 private:
  friend void multiply(const LeftMatrix&, const class RightMatrix&, bool, float*, std::int64_t);
};

class RightMatrix final : public SmallMatrix {
 public:
  explicit RightMatrix(at::ScalarType type) : SmallMatrix(type) {}
  void take(const MatrixView& x);             // B = x
  void take_transposed(const MatrixView& x);  // B = xᵀ
  // B = x, without a copy where it can be read as it is (fp32, sizes in steps); it must stay.
  void borrow(const MatrixView& x);

 private:
  friend void multiply(const LeftMatrix&, const RightMatrix&, bool, float*, std::int64_t);
};

// C [m, n] = A B + (add ? C : 0), m and n in steps, of rows `stride` apart.
void multiply(const LeftMatrix& a, const RightMatrix& b, bool add, float* c, std::int64_t stride);
inline void multiply(const LeftMatrix& a, const RightMatrix& b, bool add, float* c) {
  multiply(a, b, add, c, b.columns());
}

}  // namespace peftbench::backbone::kernels
