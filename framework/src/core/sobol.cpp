#include "core/sobol.h"

#include "core/random.h"

#include <boost/random/sobol.hpp>

namespace peftbench::core {

std::vector<double> sobol_point(std::size_t dimensions, std::uint64_t index, std::uint64_t seed) {
  std::vector<double> point;
  if (dimensions == 0) return point;
  boost::random::sobol sequence(dimensions);
  if (index > 1) sequence.seed(index - 1);  // the library leaves out the origin, which is point 0
  for (std::size_t d = 0; d < dimensions; ++d) {
    const std::uint64_t bits = (index == 0 ? 0 : sequence()) ^ Random(stream_seed(seed, "sobol shift", d)).next();
    point.push_back(static_cast<double>(bits >> 11) * 0x1p-53);
  }
  return point;
}

}  // namespace peftbench::core
