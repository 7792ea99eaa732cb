#pragma once

#include "core/layer.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace peftbench::core {

// Point `index` (from 0) of the Sobol sequence of so many dimensions (at most 3667), with a random digital shift by
// `seed`: coordinates in [0, 1). Any 2^k points from the first on are spread evenly over every coordinate.
std::vector<double> sobol_point(std::size_t dimensions, std::uint64_t index, std::uint64_t seed);

}  // namespace peftbench::core
