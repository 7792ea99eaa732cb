#pragma once

#include "results/layer.h"

#include <optional>
#include <vector>

namespace peftbench::results {

struct Wilcoxon {
  double p = 1;  // two-sided
  bool exact = false;
};

// Wilcoxon's signed-rank test of paired differences. Zeros are left out. Exact for up to 25 differences without ties or
// zeros (SciPy's wilcoxon(method="exact")), else the normal approximation with correction for ties, without one for
// continuity (method="asymptotic", correction=False). Absent where no difference but zero is left.
std::optional<Wilcoxon> wilcoxon_signed_rank(const std::vector<double>& differences);

}  // namespace peftbench::results
