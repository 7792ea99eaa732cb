#include "commands/metric_tests.h"

#include "results/jackknife.h"
#include "results/mcnemar.h"
#include "results/permutation.h"

#include <cmath>

namespace peftbench::commands {
namespace {

TestResult exact_mcnemar(const std::vector<double>& a, const std::vector<double>& b) {
  std::int64_t only_a = 0, only_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    only_a += a[i] > 0 && b[i] <= 0 ? 1 : 0;
    only_b += b[i] > 0 && a[i] <= 0 ? 1 : 0;
  }
  return {"McNemar, exact", mcnemar_exact(only_a, only_b)};
}

// Of a mean: what is exchanged changes its sign in the mean of differences.
std::optional<double> exchange_values(std::uint64_t seed, const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<std::size_t> at;  // of the units that differ
  std::vector<double> differences;
  double all = 0, scale = 0;
  const auto n = static_cast<double>(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    at.push_back(i);
    differences.push_back((a[i] - b[i]) / n);
    all += differences.back();
    scale += std::abs(differences.back());
  }
  return permutation_test(
      a.size(), seed,
      [&](const std::vector<char>& exchanged) {
        double moved = 0;
        for (std::size_t k = 0; k < at.size(); ++k) moved += exchanged[at[k]] ? differences[k] : 0;
        return all - 2 * moved;
      },
      scale);
}

std::optional<double> exchange_answers(const TestedMetric& metric, const Units& units, const std::vector<Prediction>& a,
                                       const std::vector<Prediction>& b) {
  std::vector<Prediction> both = a;
  both.insert(both.end(), b.begin(), b.end());
  const std::size_t n = a.size();
  for (std::size_t i = 0; i < both.size(); ++i)  // a group of A is not that of B
    if (!both[i].group.empty()) both[i].group.insert(0, i < n ? "a" : "b");
  const Scorer scorer = metric.scorer(both);
  Scorer::Weights of_a(2 * n), of_b(2 * n);
  return permutation_test(units.count, metric.seed, [&](const std::vector<char>& exchanged) {
    for (std::size_t i = 0; i < n; ++i) {
      const bool other = exchanged[units.of[i]] != 0;
      of_a[i] = of_b[n + i] = other ? 0 : 1;
      of_a[n + i] = of_b[i] = other ? 1 : 0;
    }
    return scorer.value(of_a) - scorer.value(of_b);
  });
}

}  // namespace

bool is_mean_of(const Scorer& scorer, const Units& units) {
  return !scorer.parts.empty() && scorer.parts.size() == units.count;
}

std::vector<double> unit_values(const Scorer& scorer, const Units& units) {
  return is_mean_of(scorer, units) ? scorer.parts : jackknife_values(units.of, units.count, scorer.value);
}

TestResult test_two_runs(const TestedMetric& metric, bool share, const Units& units, const ScoredAnswers& a,
                         const ScoredAnswers& b) {
  if (share) return exact_mcnemar(a.values, b.values);
  const bool by_answers = a.predictions && b.predictions;
  return {"permutation of examples (these seeds only)",
          by_answers ? exchange_answers(metric, units, *a.predictions, *b.predictions)
                     : exchange_values(metric.seed, a.values, b.values)};
}

}  // namespace peftbench::commands
