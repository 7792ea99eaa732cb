#include "eval/metrics.h"

#include "core/names.h"
#include "core/random.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace peftbench {

namespace {

constexpr int resamples = 1000;

// How often each (target, predicted) pair occurred, −1 for whatever is no label word.
using Confusion = std::map<std::pair<int, int>, double>;

double macro_f1(const Confusion& confusion, int labels) {
  std::vector<double> hits(labels, 0), targets(labels, 0), predictions(labels, 0);
  for (const auto& [cell, count] : confusion) {
    const auto [target, predicted] = cell;
    if (target >= 0 && target < labels) targets[target] += count;
    if (predicted >= 0 && predicted < labels) predictions[predicted] += count;
    if (target == predicted && target >= 0 && target < labels) hits[target] += count;
  }
  double sum = 0;
  for (int k = 0; k < labels; ++k) {
    const double both = targets[k] + predictions[k];
    if (both > 0) sum += 2 * hits[k] / both;
  }
  return labels > 0 ? sum / labels : 0;
}

double matthews(const Confusion& confusion) {
  std::map<int, double> targets, predictions;
  double correct = 0, n = 0;
  for (const auto& [cell, count] : confusion) {
    targets[cell.first] += count;
    predictions[cell.second] += count;
    if (cell.first == cell.second) correct += count;
    n += count;
  }
  double product = 0, target_squares = 0, prediction_squares = 0;
  for (const auto& [label, count] : targets) {
    target_squares += count * count;
    if (const auto other = predictions.find(label); other != predictions.end()) product += count * other->second;
  }
  for (const auto& [label, count] : predictions) prediction_squares += count * count;
  const double spread = (n * n - prediction_squares) * (n * n - target_squares);
  return spread > 0 ? (correct * n - product) / std::sqrt(spread) : 0;
}

template <class Statistic>
std::pair<double, double> bootstrap(const std::vector<Outcome>& outcomes, std::uint64_t seed, Statistic&& statistic) {
  Random random(stream_seed(seed, "bootstrap"));
  std::vector<double> values(resamples);
  for (double& value : values) {
    Confusion confusion;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      const Outcome& drawn = outcomes[random.below(outcomes.size())];
      confusion[{drawn.target, drawn.predicted}] += 1;
    }
    value = statistic(confusion);
  }
  std::sort(values.begin(), values.end());
  const auto percentile = [&](double p) {
    const double place = p * (resamples - 1);
    const auto below = static_cast<std::size_t>(place);
    const auto above = std::min<std::size_t>(below + 1, resamples - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return {percentile(0.025), percentile(0.975)};
}

MetricValue proportion(const std::string& name, double hits, std::int64_t n) {
  constexpr double z = 1.959963984540054;
  if (n == 0) return {name, 0, 0, 0, 1};
  const double count = static_cast<double>(n), p = hits / count, square = z * z / count;
  const double centre = (p + square / 2) / (1 + square);
  const double half = z / (1 + square) * std::sqrt(p * (1 - p) / count + square / (4 * count));
  return {name, p, n, hits == 0 ? 0.0 : centre - half, hits == count ? 1.0 : centre + half};
}

}  // namespace

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> names = {"accuracy", "macro_f1", "matthews", "exact_match"};
  return names;
}

bool metric_needs_labels(const std::string& name) { return name != "exact_match"; }

MetricValue compute_metric(const std::string& name, const std::vector<Outcome>& outcomes, int labels,
                           std::uint64_t seed) {
  const auto n = static_cast<std::int64_t>(outcomes.size());
  const auto count = [&](auto&& holds) {
    return static_cast<double>(std::count_if(outcomes.begin(), outcomes.end(), holds));
  };
  if (name == "exact_match") return proportion(name, count([](const Outcome& o) { return o.correct; }), n);
  if (name == "accuracy") {
    return proportion(name, count([](const Outcome& o) { return o.target >= 0 && o.predicted == o.target; }), n);
  }
  if (name != "macro_f1" && name != "matthews") {
    throw ConfigError({"unknown metric", "'" + name + "'", {}, did_you_mean(name, metric_names())});
  }
  if (n == 0) return {name, 0, 0, name == "matthews" ? -1.0 : 0.0, 1};
  Confusion confusion;
  for (const Outcome& outcome : outcomes) confusion[{outcome.target, outcome.predicted}] += 1;
  const auto statistic = [&](const Confusion& c) { return name == "macro_f1" ? macro_f1(c, labels) : matthews(c); };
  const auto [low, high] = bootstrap(outcomes, seed, statistic);
  return {name, statistic(confusion), n, low, high};
}

int majority_label(const std::vector<int>& labels) {
  std::map<int, std::int64_t> counts;
  for (const int label : labels) {
    if (label >= 0) ++counts[label];
  }
  int best = -1;
  std::int64_t most = 0;
  for (const auto& [label, count] : counts) {
    if (count > most) {
      best = label;
      most = count;
    }
  }
  return best;
}

}  // namespace peftbench
