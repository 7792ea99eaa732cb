#include "results/wilcoxon.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace peftbench::results {
namespace {

constexpr std::size_t most_exact_ranks = 25;

// Share of the 2^n ways to give signs to the ranks 1 … n in which the sum of the positive ones is at most `sum`.
double share_of_rank_sums_up_to(std::size_t n, std::size_t sum) {
  std::vector<double> ways(n * (n + 1) / 2 + 1, 0);  // whole numbers below 2^25: exact
  ways[0] = 1;
  for (std::size_t rank = 1; rank <= n; ++rank)
    for (std::size_t s = ways.size(); s-- > rank;) ways[s] += ways[s - rank];
  double below = 0;
  for (std::size_t s = 0; s <= sum; ++s) below += ways[s];
  return std::ldexp(below, -static_cast<int>(n));
}

}  // namespace

std::optional<Wilcoxon> wilcoxon_signed_rank(const std::vector<double>& differences) {
  std::vector<double> ranked;
  for (const double d : differences)
    if (d != 0) ranked.push_back(d);
  if (ranked.empty()) return std::nullopt;
  std::sort(ranked.begin(), ranked.end(), [](double x, double y) { return std::abs(x) < std::abs(y); });
  double positive = 0, ties = 0;
  for (std::size_t begin = 0, end = 0; begin < ranked.size(); begin = end) {
    std::size_t above_zero = 0;
    for (end = begin; end < ranked.size() && std::abs(ranked[end]) == std::abs(ranked[begin]); ++end)
      above_zero += ranked[end] > 0 ? 1 : 0;
    const auto equal = static_cast<double>(end - begin);
    positive += static_cast<double>(above_zero) * static_cast<double>(begin + end + 1) / 2;  // the mean of their ranks
    ties += equal * equal * equal - equal;
  }
  const auto n = static_cast<double>(ranked.size());
  const double all = n * (n + 1) / 2;
  if (ties == 0 && ranked.size() == differences.size() && ranked.size() <= most_exact_ranks) {
    const auto smaller = static_cast<std::size_t>(std::min(positive, all - positive));
    return Wilcoxon{std::min(1.0, 2 * share_of_rank_sums_up_to(ranked.size(), smaller)), true};
  }
  const double variance = (n * (n + 1) * (2 * n + 1) - ties / 2) / 24;
  const double z = (positive - all / 2) / std::sqrt(variance);
  return Wilcoxon{std::erfc(std::abs(z) / std::sqrt(2.0)), false};
}

}  // namespace peftbench::results
