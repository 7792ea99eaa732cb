#include "results/permutation.h"

#include "core/random.h"

#include <cmath>

namespace peftbench::results {
namespace {

constexpr std::size_t most_exact_units = 14;
constexpr std::uint64_t permutation_draws = 10'000;

}  // namespace

std::optional<double> permutation_test(std::size_t units, std::uint64_t seed, const ExchangedDifference& difference,
                                       double scale) {
  if (units == 0) return std::nullopt;
  std::vector<char> exchanged(units, 0);
  const double real = difference(exchanged);
  if (!std::isfinite(real)) return std::nullopt;
  const double least = std::abs(real) - 1e-12 * scale;
  const bool exact = units <= most_exact_units;
  const std::uint64_t count = exact ? std::uint64_t{1} << units : permutation_draws;
  std::uint64_t as_far = 0;
  for (std::uint64_t k = 0; k < count; ++k) {
    Random random(stream_seed(seed, "permutation", k));
    std::uint64_t bits = k;  // every pattern once
    for (std::size_t u = 0; u < units; ++u) {
      if (!exact && u % 64 == 0) bits = random.next();
      exchanged[u] = static_cast<char>(bits >> (u % 64) & 1);
    }
    const double value = difference(exchanged);
    if (!std::isfinite(value)) return std::nullopt;
    if (std::abs(value) >= least) ++as_far;
  }
  const std::uint64_t own = exact ? 0 : 1;
  return static_cast<double>(as_far + own) / static_cast<double>(count + own);
}

std::optional<double> sign_flip_test(const std::vector<double>& differences, std::uint64_t seed) {
  if (differences.empty()) return std::nullopt;
  const auto n = static_cast<double>(differences.size());
  double scale = 0;
  for (const double d : differences) scale += std::abs(d) / n;
  return permutation_test(
      differences.size(), seed,
      [&](const std::vector<char>& flipped) {
        double sum = 0;
        for (std::size_t i = 0; i < differences.size(); ++i) sum += flipped[i] ? -differences[i] : differences[i];
        return sum / n;
      },
      scale);
}

}  // namespace peftbench::results
