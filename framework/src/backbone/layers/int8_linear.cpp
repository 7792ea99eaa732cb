#include "backbone/layers/int8_linear.h"

#include "backbone/layers/quantize_rows.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace peftbench::backbone {
namespace {

template <class T>
void dequantize_into(const Tensor& all_codes, const Tensor& all_scales, Tensor& out) {
  const auto* codes = all_codes.const_data_ptr<std::int8_t>();
  const float* scales = all_scales.const_data_ptr<float>();
  T* values = out.mutable_data_ptr<T>();
  const std::int64_t columns = out.size(1);
  at::parallel_for(0, out.size(0), 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      for (std::int64_t i = row * columns; i < (row + 1) * columns; ++i)
        values[i] = static_cast<T>(static_cast<float>(codes[i]) * scales[row]);
    }
  });
}

}  // namespace

Int8Linear::Int8Linear(const Tensor& weight, at::ScalarType arithmetic, c10::Device device)
    : QuantizedLinear(arithmetic) {
  const std::int64_t rows = weight.size(0), columns = weight.size(1);
  codes_ = at::empty({rows, columns}, at::kChar);
  scales_ = at::empty({rows}, at::kFloat);
  const float* values = weight.const_data_ptr<float>();
  auto* codes = codes_.mutable_data_ptr<std::int8_t>();
  float* scales = scales_.mutable_data_ptr<float>();
  at::parallel_for(0, rows, 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const float most = largest_magnitude(values + row * columns, columns);
      scales[row] = most / 127.0F;
      // In double, so that the nearest code does not depend on the order of the roundings.
      const double divisor = std::max(most, least_scale);
      for (std::int64_t i = row * columns; i < (row + 1) * columns; ++i)
        codes[i] = static_cast<std::int8_t>(std::nearbyint(static_cast<double>(values[i]) * 127.0 / divisor));
    }
  });
  codes_ = codes_.to(device);
  scales_ = scales_.to(device);
}

std::string Int8Linear::form() const { return std::string(enum_name(Quantization::int8)); }

Tensor Int8Linear::dequantize(at::ScalarType type) const {
  if (!codes_.is_cpu()) return (codes_.to(at::kFloat) * scales_.unsqueeze(1)).to(type);
  Tensor out = at::empty(codes_.sizes(), type);
  if (type == at::kBFloat16)
    dequantize_into<c10::BFloat16>(codes_, scales_, out);
  else
    dequantize_into<float>(codes_, scales_, out);
  return out;
}

}  // namespace peftbench::backbone
