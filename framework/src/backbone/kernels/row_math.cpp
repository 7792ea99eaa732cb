// Compiled once for each instruction set: Highway includes this file again and again.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backbone/kernels/row_math.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
// clang-format on

#include "backbone/kernels/row_math.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace peftbench::backbone::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Lanes = hn::ScalableTag<float>;
using Floats = hn::Vec<Lanes>;

// A whole vector of a row.
struct Whole {
  Floats load(const float* p) const { return hn::LoadU(Lanes(), p); }
  void store(Floats v, float* p) const { hn::StoreU(v, Lanes(), p); }
  Floats kept(Floats v) const { return v; }
  Floats kept_or(Floats v, Floats) const { return v; }
};

// What is left of a row; through a buffer, so that nothing behind the row is read.
struct Rest {
  std::size_t count;
  Floats load(const float* p) const {
    HWY_ALIGN float lanes[hn::MaxLanes(Lanes())] = {};
    std::memcpy(lanes, p, count * sizeof(float));
    return hn::Load(Lanes(), lanes);
  }
  void store(Floats v, float* p) const {
    HWY_ALIGN float lanes[hn::MaxLanes(Lanes())];
    hn::Store(v, Lanes(), lanes);
    std::memcpy(p, lanes, count * sizeof(float));
  }
  Floats kept(Floats v) const { return hn::IfThenElseZero(hn::FirstN(Lanes(), count), v); }
  Floats kept_or(Floats v, Floats other) const { return hn::IfThenElse(hn::FirstN(Lanes(), count), v, other); }
};

template <class Visit>
HWY_INLINE void for_parts(std::int64_t columns, const Visit& visit) {
  const auto width = static_cast<std::int64_t>(hn::Lanes(Lanes()));
  std::int64_t i = 0;
  for (; i + width <= columns; i += width) visit(i, Whole());
  if (i < columns) visit(i, Rest{static_cast<std::size_t>(columns - i)});
}

HWY_INLINE Floats all(float value) { return hn::Set(Lanes(), value); }
HWY_INLINE float sum(Floats v) { return hn::GetLane(hn::SumOfLanes(Lanes(), v)); }

// Highway's gives 0 for NaN.
HWY_INLINE Floats exponential(Floats x) { return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(Lanes(), x)); }

template <class Part>
HWY_INLINE Floats or_one(const Part& part, const float* row, std::int64_t i) {
  return row == nullptr ? all(1) : part.load(row + i);
}

float NormRow(const float* x, const float* scale, float* y, std::int64_t columns, float epsilon) {
  Floats squares = all(0);
  for_parts(columns, [&](std::int64_t i, auto part) {
    const Floats v = part.load(x + i);
    squares = hn::MulAdd(v, v, squares);
  });
  const float inverse = 1.0F / std::sqrt(sum(squares) / static_cast<float>(columns) + epsilon);
  for_parts(columns, [&](std::int64_t i, auto part) {
    const Floats normed = hn::Mul(part.load(x + i), all(inverse));
    part.store(scale == nullptr ? normed : hn::Mul(normed, part.load(scale + i)), y + i);
  });
  return inverse;
}

void NormGradientRow(const float* dy, const float* x, const float* scale, float inverse, float* dx,
                     std::int64_t columns) {
  Floats products = all(0);
  for_parts(columns, [&](std::int64_t i, auto part) {
    products = hn::MulAdd(hn::Mul(part.load(dy + i), or_one(part, scale, i)), part.load(x + i), products);
  });
  const float mean = sum(products) / static_cast<float>(columns) * inverse * inverse;
  for_parts(columns, [&](std::int64_t i, auto part) {
    const Floats g = hn::Mul(part.load(dy + i), or_one(part, scale, i));
    part.store(hn::Mul(all(inverse), hn::NegMulAdd(part.load(x + i), all(mean), g)), dx + i);
  });
}

// Value and derivative of an activation.
struct Activated {
  Floats value, slope;
};

// 1 / (1 + exp(−x)); the bound keeps exp finite.
HWY_INLINE Floats sigmoid(Floats x) {
  return hn::Div(all(1), hn::Add(all(1), hn::Exp(Lanes(), hn::Min(hn::Neg(x), all(88.0F)))));
}

HWY_INLINE Activated relu(Floats x) {
  const auto below = hn::Le(x, all(0));
  return {hn::IfThenZeroElse(below, x), hn::IfThenZeroElse(below, all(1))};
}

HWY_INLINE Activated silu(Floats x) {
  const Floats s = sigmoid(x);
  return {hn::Mul(x, s), hn::MulAdd(hn::Mul(x, s), hn::Sub(all(1), s), s)};
}

// ½ x (1 + tanh(u)) = x · sigmoid(2u), u = √(2/π) (x + 0.044715 x³).
HWY_INLINE Activated gelu_tanh(Floats x) {
  constexpr double twice = 2 * 0.7978845608028654;
  constexpr double cubic = 0.044715;
  const Floats square = hn::Mul(x, x);
  const Floats u =
      hn::Mul(x, hn::MulAdd(square, all(static_cast<float>(twice * cubic)), all(static_cast<float>(twice))));
  const Floats du = hn::MulAdd(square, all(static_cast<float>(3 * twice * cubic)), all(static_cast<float>(twice)));
  const Floats s = sigmoid(u), value = hn::Mul(x, s);
  // At large |x| the slope is s: u grows as x³, and 0 · ∞ is not a number.
  const Floats bend = hn::Mul(hn::Mul(value, hn::Sub(all(1), s)), du);
  return {value, hn::Add(s, hn::IfThenElse(hn::Gt(hn::Abs(x), all(1e4F)), all(0), bend))};
}

template <class Visit>
HWY_INLINE void with_activation(Activation activation, const Visit& visit) {
  if (activation == Activation::relu) return visit([](Floats x) { return relu(x); });
  if (activation == Activation::silu) return visit([](Floats x) { return silu(x); });
  return visit([](Floats x) { return gelu_tanh(x); });
}

void ActivateRow(Activation activation, const float* a, const float* b, const float* mask, float* y,
                 std::int64_t columns) {
  with_activation(activation, [&](auto act) {
    for_parts(columns, [&](std::int64_t i, auto part) {
      Floats value = act(part.load(a + i)).value;
      if (b != nullptr) value = hn::Mul(value, part.load(b + i));
      part.store(mask == nullptr ? value : hn::Mul(value, part.load(mask + i)), y + i);
    });
  });
}

void ActivationGradientRow(Activation activation, const float* dy, const float* a, const float* b, const float* mask,
                           float* da, float* db, std::int64_t columns) {
  with_activation(activation, [&](auto act) {
    for_parts(columns, [&](std::int64_t i, auto part) {
      const Activated v = act(part.load(a + i));
      Floats g = part.load(dy + i);
      if (mask != nullptr) g = hn::Mul(g, part.load(mask + i));
      if (db != nullptr) part.store(hn::Mul(g, v.value), db + i);
      if (b != nullptr) g = hn::Mul(g, part.load(b + i));
      part.store(hn::Mul(g, v.slope), da + i);
    });
  });
}

void AddMaskedRow(const float* x, const float* z, const float* mask, float* y, std::int64_t columns) {
  for_parts(columns, [&](std::int64_t i, auto part) {
    part.store(hn::MulAdd(part.load(z + i), or_one(part, mask, i), part.load(x + i)), y + i);
  });
}

void MultiplyRow(const float* x, const float* mask, float* y, std::int64_t columns) {
  for_parts(columns,
            [&](std::int64_t i, auto part) { part.store(hn::Mul(part.load(x + i), part.load(mask + i)), y + i); });
}

void ScaleRow(float* x, float factor, std::int64_t columns) {
  for_parts(columns, [&](std::int64_t i, auto part) { part.store(hn::Mul(part.load(x + i), all(factor)), x + i); });
}

template <class Part>
HWY_INLINE Floats score(const Part& part, const float* s, float factor, const float* added, std::int64_t i) {
  const Floats v = part.load(s + i);
  return added == nullptr ? hn::Mul(v, all(factor)) : hn::MulAdd(v, all(factor), part.load(added + i));
}

RowSoftmax ExponentialsRow(float* s, float factor, const float* added, const float* mask, std::int64_t columns) {
  const Floats least = all(-std::numeric_limits<float>::infinity());
  Floats largest = least;
  for_parts(columns, [&](std::int64_t i, auto part) {
    const Floats x = score(part, s, factor, added, i);
    part.store(x, s + i);
    largest = hn::Max(largest, part.kept_or(x, least));
  });
  const float max = hn::GetLane(hn::MaxOfLanes(Lanes(), largest));
  Floats total = all(0);
  for_parts(columns, [&](std::int64_t i, auto part) {
    const Floats e = exponential(hn::Sub(part.load(s + i), all(max)));
    total = hn::Add(total, part.kept(e));
    part.store(mask == nullptr ? e : hn::Mul(e, part.load(mask + i)), s + i);
  });
  const float all_of_it = sum(total);
  return {max + std::log(all_of_it), 1.0F / all_of_it};
}

void SoftmaxGradientRow(float* s, float* dp, float factor, const float* added, const float* mask, float log_sum,
                        std::int64_t columns) {
  Floats products = all(0);
  for_parts(columns, [&](std::int64_t i, auto part) {
    const Floats p = exponential(hn::Sub(score(part, s, factor, added, i), all(log_sum)));
    part.store(p, s + i);
    Floats g = part.load(dp + i);
    if (mask != nullptr) {
      g = hn::Mul(g, part.load(mask + i));
      part.store(g, dp + i);
    }
    products = hn::Add(products, part.kept(hn::Mul(p, g)));
  });
  const Floats total = all(sum(products));
  for_parts(columns, [&](std::int64_t i, auto part) {
    const Floats p = part.load(s + i);
    part.store(hn::Mul(hn::Mul(p, all(factor)), hn::Sub(part.load(dp + i), total)), dp + i);
    if (mask != nullptr) part.store(hn::Mul(p, part.load(mask + i)), s + i);
  });
}

using Words = hn::ScalableTag<std::uint32_t>;

template <class V>
HWY_INLINE V mixed(V h) {
  const Words d;
  h = hn::Mul(hn::Xor(h, hn::ShiftRight<16>(h)), hn::Set(d, mask_factors[0]));
  h = hn::Mul(hn::Xor(h, hn::ShiftRight<15>(h)), hn::Set(d, mask_factors[1]));
  return hn::Xor(h, hn::ShiftRight<15>(h));
}

float QuantizeRow(const float* x, std::uint8_t* codes, std::int64_t columns) {
  Floats most = all(0), faults = all(0);
  for_parts(columns, [&](std::int64_t i, auto part) {
    const Floats v = part.load(x + i);
    most = hn::Max(most, hn::Abs(v));
    faults = hn::Add(faults, hn::Sub(v, v));  // 0, unless a value is not finite
  });
  const float largest = hn::GetLane(hn::MaxOfLanes(Lanes(), most));
  const Floats inverse = all(largest > 0 ? 127.0F / largest : 0.0F);
  const hn::RebindToSigned<Lanes> words;
  const hn::Rebind<std::uint8_t, Lanes> bytes;
  const auto width = static_cast<std::int64_t>(hn::Lanes(Lanes()));
  HWY_ALIGN std::uint8_t rest[hn::MaxLanes(Lanes())];
  for_parts(columns, [&](std::int64_t i, auto part) {
    const auto nearest = hn::NearestInt(hn::Mul(part.load(x + i), inverse));
    const auto bounded = hn::Min(hn::Max(nearest, hn::Set(words, -127)), hn::Set(words, 127));
    const auto narrow = hn::DemoteTo(bytes, hn::Add(bounded, hn::Set(words, code_offset)));
    if (i + width <= columns) {
      hn::StoreU(narrow, bytes, codes + i);
    } else {
      hn::Store(narrow, bytes, rest);
      std::memcpy(codes + i, rest, static_cast<std::size_t>(columns - i));
    }
  });
  return largest / 127.0F + sum(faults);
}

void ScaleSums(const IntegerSums& of, bool add, float* y, std::int64_t y_stride, std::int64_t rows,
               std::int64_t columns) {
  const hn::RebindToSigned<Lanes> words;
  const auto width = static_cast<std::int64_t>(hn::Lanes(Lanes()));
  std::int64_t i = 0;
  for (; i + width <= columns; i += width) {
    const auto offsets = hn::LoadU(words, of.offsets + i);
    const Floats scales = hn::LoadU(Lanes(), of.scales + i);
    for (std::int64_t row = 0; row < rows; ++row) {
      const Floats values = hn::ConvertTo(Lanes(), hn::Sub(hn::LoadU(words, of.sums + row * of.stride + i), offsets));
      const Floats by = hn::Mul(all(of.factors[row]), scales);
      float* to = y + row * y_stride + i;
      hn::StoreU(add ? hn::MulAdd(values, by, hn::LoadU(Lanes(), to)) : hn::Mul(values, by), Lanes(), to);
    }
  }
  for (; i < columns; ++i) {
    for (std::int64_t row = 0; row < rows; ++row) {
      float& to = y[row * y_stride + i];
      to = static_cast<float>(of.sums[row * of.stride + i] - of.offsets[i]) * (of.factors[row] * of.scales[i]) +
           (add ? to : 0.0F);
    }
  }
}

// bf16 in the lower half of a word: the nearest, of two equally near the even one.
HWY_INLINE hn::Vec<Words> rounded(Floats v) {
  const auto word = hn::BitCast(Words(), v);
  const auto odd = hn::And(hn::ShiftRight<16>(word), hn::Set(Words(), 1));
  const auto upper = hn::ShiftRight<16>(hn::Add(word, hn::Add(odd, hn::Set(Words(), 0x7fff))));
  return hn::IfThenElse(hn::RebindMask(Words(), hn::IsNaN(v)), hn::Set(Words(), 0x7fc0), upper);
}

void RoundRow(const float* x, std::uint16_t* bits, std::int64_t columns) {
  const hn::Rebind<std::uint16_t, Lanes> halves;
  const hn::RebindToSigned<Lanes> words;
  const auto width = static_cast<std::int64_t>(hn::Lanes(Lanes()));
  HWY_ALIGN std::uint16_t rest[hn::MaxLanes(Lanes())];
  for_parts(columns, [&](std::int64_t i, auto part) {
    const auto narrow = hn::DemoteTo(halves, hn::BitCast(words, rounded(part.load(x + i))));
    if (i + width <= columns) {
      hn::StoreU(narrow, halves, bits + i);
    } else {
      hn::Store(narrow, halves, rest);
      std::memcpy(bits + i, rest, static_cast<std::size_t>(columns - i) * sizeof(std::uint16_t));
    }
  });
}

void PairRows(const float* first, const float* second, std::uint32_t* words, std::int64_t columns) {
  for_parts(columns, [&](std::int64_t i, auto part) {
    auto word = rounded(part.load(first + i));
    if (second != nullptr) word = hn::Or(word, hn::ShiftLeft<16>(rounded(part.load(second + i))));
    part.store(hn::BitCast(Lanes(), word), reinterpret_cast<float*>(words + i));
  });
}

void TransposeRows(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns, float* y,
                   std::int64_t y_stride) {
  const hn::RebindToSigned<Lanes> words;
  const auto width = static_cast<std::int64_t>(hn::Lanes(Lanes()));
  const auto places = hn::Mul(hn::Iota(words, 0), hn::Set(words, static_cast<std::int32_t>(x_stride)));
  std::int64_t row = 0;
  for (; row + width <= rows; row += width) {
    const float* from = x + row * x_stride;
    for (std::int64_t i = 0; i < columns; ++i)
      hn::StoreU(hn::GatherIndex(Lanes(), from + i, places), Lanes(), y + i * y_stride + row);
  }
  for (; row < rows; ++row)
    for (std::int64_t i = 0; i < columns; ++i) y[i * y_stride + row] = x[row * x_stride + i];
}

// All places have the same upper word.
void MaskRow(const MaskKey& key, std::uint64_t first, float* out, std::int64_t columns) {
  const Words d;
  const auto low = static_cast<std::uint32_t>(key.key);
  const auto upper = static_cast<std::uint32_t>(first >> 32U) ^ static_cast<std::uint32_t>(key.key >> 32U);
  const auto none_below = hn::Set(d, static_cast<std::uint32_t>(key.threshold));
  for_parts(columns, [&](std::int64_t i, auto part) {
    const auto start = static_cast<std::uint32_t>(first + static_cast<std::uint64_t>(i));
    const auto inner = mixed(hn::Xor(hn::Iota(d, start), hn::Set(d, low)));
    const auto bits = mixed(hn::Add(inner, hn::Set(d, upper)));
    // bits ≥ threshold, without a comparison of unsigned words.
    const auto kept = hn::Eq(hn::Max(bits, none_below), bits);
    part.store(hn::IfThenElseZero(hn::RebindMask(Lanes(), kept), all(key.kept)), out + i);
  });
}

}  // namespace peftbench::backbone::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peftbench::backbone::kernels {
namespace {

HWY_EXPORT(NormRow);
HWY_EXPORT(NormGradientRow);
HWY_EXPORT(ActivateRow);
HWY_EXPORT(ActivationGradientRow);
HWY_EXPORT(AddMaskedRow);
HWY_EXPORT(MultiplyRow);
HWY_EXPORT(ScaleRow);
HWY_EXPORT(ExponentialsRow);
HWY_EXPORT(SoftmaxGradientRow);
HWY_EXPORT(MaskRow);
HWY_EXPORT(QuantizeRow);
HWY_EXPORT(ScaleSums);
HWY_EXPORT(RoundRow);
HWY_EXPORT(PairRows);
HWY_EXPORT(TransposeRows);

}  // namespace

float norm_row(const float* x, const float* scale, float* y, std::int64_t columns, float epsilon) {
  return HWY_DYNAMIC_DISPATCH(NormRow)(x, scale, y, columns, epsilon);
}

void norm_gradient_row(const float* dy, const float* x, const float* scale, float inverse, float* dx,
                       std::int64_t columns) {
  HWY_DYNAMIC_DISPATCH(NormGradientRow)(dy, x, scale, inverse, dx, columns);
}

void activate_row(Activation activation, const float* a, const float* b, const float* mask, float* y,
                  std::int64_t columns) {
  HWY_DYNAMIC_DISPATCH(ActivateRow)(activation, a, b, mask, y, columns);
}

void activation_gradient_row(Activation activation, const float* dy, const float* a, const float* b, const float* mask,
                             float* da, float* db, std::int64_t columns) {
  HWY_DYNAMIC_DISPATCH(ActivationGradientRow)(activation, dy, a, b, mask, da, db, columns);
}

void add_masked_row(const float* x, const float* z, const float* mask, float* y, std::int64_t columns) {
  HWY_DYNAMIC_DISPATCH(AddMaskedRow)(x, z, mask, y, columns);
}

void multiply_row(const float* x, const float* mask, float* y, std::int64_t columns) {
  HWY_DYNAMIC_DISPATCH(MultiplyRow)(x, mask, y, columns);
}

void scale_row(float* x, float factor, std::int64_t columns) { HWY_DYNAMIC_DISPATCH(ScaleRow)(x, factor, columns); }

float quantize_row(const float* x, std::uint8_t* codes, std::int64_t columns) {
  return HWY_DYNAMIC_DISPATCH(QuantizeRow)(x, codes, columns);
}

void scale_sums(const IntegerSums& of, bool add, float* y, std::int64_t y_stride, std::int64_t rows,
                std::int64_t columns) {
  HWY_DYNAMIC_DISPATCH(ScaleSums)(of, add, y, y_stride, rows, columns);
}

void round_row(const float* x, std::uint16_t* bits, std::int64_t columns) {
  HWY_DYNAMIC_DISPATCH(RoundRow)(x, bits, columns);
}

void pair_rows(const float* first, const float* second, std::uint32_t* words, std::int64_t columns) {
  HWY_DYNAMIC_DISPATCH(PairRows)(first, second, words, columns);
}

void transpose_rows(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns, float* y,
                    std::int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeRows)(x, x_stride, rows, columns, y, y_stride);
}

RowSoftmax exponentials_row(float* s, float factor, const float* added, const float* mask, std::int64_t columns) {
  return HWY_DYNAMIC_DISPATCH(ExponentialsRow)(s, factor, added, mask, columns);
}

void softmax_gradient_row(float* s, float* dp, float factor, const float* added, const float* mask, float log_sum,
                          std::int64_t columns) {
  HWY_DYNAMIC_DISPATCH(SoftmaxGradientRow)(s, dp, factor, added, mask, log_sum, columns);
}

void mask_row(const MaskKey& key, std::uint64_t first_place, float* mask, std::int64_t columns) {
  constexpr std::uint64_t words = std::uint64_t{1} << 32U;
  if (key.threshold >= words) {  // all are dropped
    std::fill_n(mask, columns, 0.0F);
    return;
  }
  // In runs whose places share their upper word.
  for (std::int64_t done = 0; done < columns;) {
    const std::uint64_t place = first_place + static_cast<std::uint64_t>(done);
    const std::uint64_t left = words - place % words;
    const std::int64_t run = std::min(columns - done, static_cast<std::int64_t>(left));
    HWY_DYNAMIC_DISPATCH(MaskRow)(key, place, mask + done, run);
    done += run;
  }
}

}  // namespace peftbench::backbone::kernels
#endif
