#pragma once

#include "backbone/backbone.h"
#include "device/stand_in.h"
#include "support/layers.h"

#include <algorithm>

namespace peftbench::support {

using namespace layers;

inline LoadOptions on_device(LoadOptions options = {}) {
  options.device = stand_in_device();
  return options;
}

// The largest difference, of results of size 1.
inline double relative(const Tensor& a, const Tensor& b) {
  const Tensor left = a.cpu(), right = b.cpu();
  return (left - right).abs().max().item<double>() / std::max(1.0, right.abs().max().item<double>());
}

}  // namespace peftbench::support
