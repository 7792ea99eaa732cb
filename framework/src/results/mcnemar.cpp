#include "results/mcnemar.h"

#include <boost/math/distributions/binomial.hpp>

#include <algorithm>

namespace peftbench::results {

std::optional<double> mcnemar_exact(std::int64_t only_a, std::int64_t only_b) {
  if (only_a < 0 || only_b < 0) return std::nullopt;
  if (only_a == only_b) return 1;
  const boost::math::binomial_distribution<double> fair(static_cast<double>(only_a + only_b), 0.5);
  return std::min(1.0, 2 * boost::math::cdf(fair, static_cast<double>(std::min(only_a, only_b))));
}

}  // namespace peftbench::results
