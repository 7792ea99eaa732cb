#pragma once

#include <peftbench/spec.h>

#include <cstdint>

// Arithmetic of single rows of fp32, with the widest vectors that this processor has. Each row is computed alone, so
// that results do not depend on how rows are shared between threads.
namespace peftbench::backbone::kernels {

// y = w ⊙ x · r, r = rsqrt(mean(x²) + ε), which is returned. `scale` w may be null: 1.
float norm_row(const float* x, const float* scale, float* y, std::int64_t columns, float epsilon);
// dx = r · (w ⊙ dy − x · r² · mean(x ⊙ w ⊙ dy)).
void norm_gradient_row(const float* dy, const float* x, const float* scale, float inverse, float* dx,
                       std::int64_t columns);

// y = act(a) ⊙ b ⊙ mask; b (the gate) and mask may be null: 1.
void activate_row(Activation activation, const float* a, const float* b, const float* mask, float* y,
                  std::int64_t columns);
// da, and db where there is a gate, from dy; `dy` may be `da`.
void activation_gradient_row(Activation activation, const float* dy, const float* a, const float* b, const float* mask,
                             float* da, float* db, std::int64_t columns);

// y = x + z ⊙ mask; the mask may be null: 1.
void add_masked_row(const float* x, const float* z, const float* mask, float* y, std::int64_t columns);
void multiply_row(const float* x, const float* mask, float* y, std::int64_t columns);
void scale_row(float* x, float factor, std::int64_t columns);

// The nearest codes of x, −127 … 127, and `code_offset` more, in units of the scale that is returned: max |x| / 127,
// not a number if x is not finite.
inline constexpr int code_offset = 128;
float quantize_row(const float* x, std::uint8_t* codes, std::int64_t columns);
// y = factor · scales ⊙ (sums − offsets) + (add ? y : 0) of some rows, each with a factor of its own.
struct IntegerSums {
  const std::int32_t* sums;
  std::int64_t stride;  // from row to row
  const std::int32_t* offsets;
  const float *factors, *scales;
};
void scale_sums(const IntegerSums& of, bool add, float* y, std::int64_t y_stride, std::int64_t rows,
                std::int64_t columns);
// The nearest bf16 as its bits, of two equally near the even one.
void round_row(const float* x, std::uint16_t* bits, std::int64_t columns);

// Two rows rounded so and side by side: value i of the first, then value i of the second, in one word. The second may
// be null: zeros.
void pair_rows(const float* first, const float* second, std::uint32_t* words, std::int64_t columns);
// y [columns, rows] = xᵀ of x [rows, columns], of words of 32 bits.
void transpose_rows(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns, float* y,
                    std::int64_t y_stride);

// exp(x − max) ⊙ mask in place of s, x = factor · s + added, and what turns it into a softmax. `added` and `mask` may
// be null. The sum is of what is not masked.
struct RowSoftmax {
  float log_sum;  // log Σ exp(x)
  float inverse;  // 1 / Σ exp(x − max)
};
RowSoftmax exponentials_row(float* s, float factor, const float* added, const float* mask, std::int64_t columns);
// For the gradient, from s as it was and dp, the gradient of the masked probabilities: s becomes softmax(x) ⊙ mask, dp
// becomes the gradient of s.
void softmax_gradient_row(float* s, float* dp, float factor, const float* added, const float* mask, float log_sum,
                          std::int64_t columns);

// Of a dropout mask: the word of each place, mixed in two rounds (Wellons' search of such functions, "lowbias32" of
// 2022), decides between 0 and `kept`. The factors are below 2^31, so that a product with 32 bits fits a signed 64-bit
// integer, which all devices have.
inline constexpr std::uint32_t mask_factors[] = {0x21f0aaadU, 0x735a2d97U};
struct MaskKey {
  std::uint64_t key;
  std::uint64_t threshold;  // of 2^32
  float kept;
};
void mask_row(const MaskKey& key, std::uint64_t first_place, float* mask, std::int64_t columns);

}  // namespace peftbench::backbone::kernels
