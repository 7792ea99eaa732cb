#pragma once

#include "results/layer.h"
#include "results/run_record.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace peftbench::results {

// What a bootstrap draws. All seeds have answered the same examples, so one draw of examples is used for every seed:
// drawn anew for each, the same examples would count as others.
struct BootstrapDesign {
  std::vector<std::size_t> unit_of;  // of each example, 0 … units − 1: examples of one unit are drawn together
  std::size_t units = 0;
  std::size_t seeds = 1;   // drawn too, where there are several
  std::uint64_t seed = 0;  // random seed of the draws
  std::int64_t draws = 10'000;
};

// The score of one seed's answers, by how often each example was drawn.
using SeedScore = std::function<double(std::size_t seed, const std::vector<double>& weights)>;

// From the 2.5th to the 97.5th percentile, linear between values. There is at least one.
Interval percentile_interval(std::vector<double> values);

// 95 % intervals of the means over seeds of two scores, and of the mean of their differences.
struct PairedIntervals {
  Interval a, b, difference;
};

// Hierarchical bootstrap of pairs: each draw takes as many seeds and as many units as there are, with replacement, and
// computes both sides on them. The intervals are percentiles (2.5 and 97.5, linear between draws). Absent without
// examples, seeds or draws, and where a score is not finite. Draw k uses the random stream "bootstrap of pairs", k.
std::optional<PairedIntervals> paired_bootstrap(const BootstrapDesign& design, const SeedScore& a, const SeedScore& b);

}  // namespace peftbench::results
