#pragma once

#include "results/layer.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace peftbench::results {

// The difference of two sides, those of the marked units exchanged.
using ExchangedDifference = std::function<double(const std::vector<char>& exchanged)>;

// Two-sided permutation test of paired sides: the share of exchanges whose difference is at least as far from zero as
// the real one. Up to 14 units all exchanges are made; beyond, 10,000 are drawn and the real one is added to them, so p
// is never 0. Draw k uses the random stream "permutation", k, a bit for each unit. Differences that are within
// 1e-12 · `scale` of each other are equal. Absent without units, and where a difference is not finite.
std::optional<double> permutation_test(std::size_t units, std::uint64_t seed, const ExchangedDifference& difference,
                                       double scale = 1);

// The same of a mean of paired differences, whose signs are flipped. 1 if all are zero, as in SciPy.
std::optional<double> sign_flip_test(const std::vector<double>& differences, std::uint64_t seed);

}  // namespace peftbench::results
