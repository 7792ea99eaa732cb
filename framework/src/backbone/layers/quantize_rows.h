#pragma once

#include "backbone/layer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace peftbench::backbone {

// Below this, a block counts as all zeros: its inverse would be infinite.
inline constexpr float least_scale = 1e-38F;

// The largest magnitude of `count` values.
inline float largest_magnitude(const float* values, std::int64_t count) {
  float most = 0;
  for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::fabs(values[i]));
  return most;
}

}  // namespace peftbench::backbone
