#pragma once

#include "results/layer.h"

#include <cstdint>
#include <optional>

namespace peftbench::results {

// McNemar's exact test: two-sided p of a binomial with 1/2, of the examples that only one side has right. 1 where there
// is no such example, as in statsmodels: nothing speaks for a difference. Absent for a negative count.
std::optional<double> mcnemar_exact(std::int64_t only_a, std::int64_t only_b);

}  // namespace peftbench::results
