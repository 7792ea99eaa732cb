#include "eval/metrics.h"

#include "core/random.h"
#include "data/task/metric_names.h"
#include "eval/normalize.h"
#include "eval/scorers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

namespace peftbench::eval {

namespace {

using Judges = MetricInfo::Judges;

constexpr int resamples = 1000;

std::vector<std::string> without_mean(const std::vector<std::string>& names) {
  std::vector<std::string> others;
  for (const std::string& name : names)
    if (name != mean_metric) others.push_back(name);
  return others;
}

Scorer::Weights once_each(const std::vector<Prediction>& predictions) {
  return Scorer::Weights(predictions.size(), 1.0);
}

std::pair<double, double> bootstrap(const Scorer& scorer, const Units& units, std::uint64_t seed) {
  Random random(stream_seed(seed, "bootstrap"));
  std::vector<double> values(resamples), drawn(units.count);
  Scorer::Weights weights(units.of.size());
  for (double& value : values) {
    std::fill(drawn.begin(), drawn.end(), 0.0);
    for (std::size_t i = 0; i < units.count; ++i) drawn[random.below(units.count)] += 1;
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = drawn[units.of[i]];
    value = scorer.value(weights);
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

std::pair<double, double> wilson(double p, std::int64_t n) {
  constexpr double z = 1.959963984540054;
  const double count = static_cast<double>(n), square = z * z / count;
  const double centre = (p + square / 2) / (1 + square);
  const double half = z / (1 + square) * std::sqrt(p * (1 - p) / count + square / (4 * count));
  return {p <= 0 ? 0.0 : centre - half, p >= 1 ? 1.0 : centre + half};
}

MetricValue measure(const std::string& name, const std::vector<std::string>& others,
                    const std::vector<Prediction>& predictions, int labels, std::uint64_t seed) {
  const Scorer scorer = make_scorer(name, others, predictions, labels);
  if (predictions.empty()) return {name, 0, 0, scorer.lowest, 1};
  const double value = scorer.value(once_each(predictions));
  const auto [low, high] =
      scorer.share ? wilson(value, scorer.n) : bootstrap(scorer, units_of(predictions, scorer.grouped), seed);
  return {name, value, scorer.n, low, high};
}

// The metric that decides what is right: the first.
std::string_view deciding(const std::vector<std::string>& metrics) {
  const auto first = std::find_if(metrics.begin(), metrics.end(), [](const auto& m) { return m != mean_metric; });
  return first == metrics.end() ? std::string_view() : std::string_view(*first);
}

}  // namespace

std::vector<MetricValue> compute_metrics(const std::vector<std::string>& names,
                                         const std::vector<Prediction>& predictions, int labels, std::uint64_t seed) {
  std::vector<MetricValue> values;
  for (const std::string& name : names) values.push_back(measure(name, without_mean(names), predictions, labels, seed));
  return values;
}

double metric_value(const std::string& name, const std::vector<std::string>& names,
                    const std::vector<Prediction>& predictions, int labels) {
  return make_scorer(name, without_mean(names), predictions, labels).value(once_each(predictions));
}

void judge_answer(Prediction& p, const std::vector<std::string>& metrics, int labels) {
  const Judges judges = judges_of(deciding(metrics));
  if (judges == Judges::referent) p.label = names_referent(p.prediction, p.target);
  if (judges == Judges::squad) p.judged = normalize_squad(p.prediction);
  p.illegal =
      judges == Judges::number ? !number_of(p.prediction) : (labels > 0 || judges == Judges::referent) && p.label < 0;
  p.correct = is_right(judges, p);
}

bool answers_may_be_illegal(const std::vector<std::string>& metrics, int labels) {
  const Judges judges = judges_of(deciding(metrics));
  return labels > 0 || judges == Judges::number || judges == Judges::referent;
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

std::vector<ConstantAnswer> constant_answers(const std::vector<std::string>& metrics, std::vector<Prediction> targets,
                                             const std::vector<std::string>& labels) {
  std::vector<ConstantAnswer> best;
  if (targets.empty()) return best;
  if (labels.empty()) {
    const auto wrong = std::count_if(targets.begin(), targets.end(), [](const auto& p) { return p.target_label == 0; });
    for (const std::string& metric : metrics)
      if (judges_of(metric) == Judges::referent)
        best.push_back({metric, static_cast<double>(wrong) / static_cast<double>(targets.size()), "a wrong referent"});
    return best;
  }
  std::vector<int> given;
  for (const Prediction& p : targets) given.push_back(p.target_label);
  const int most_frequent = majority_label(given);
  if (most_frequent < 0) return best;
  const auto value = [&](const std::string& metric, int label) {
    for (Prediction& p : targets) {
      p.label = label;
      p.prediction = labels[static_cast<std::size_t>(label)];
    }
    return metric_value(metric, metrics, targets, static_cast<int>(labels.size()));
  };
  for (const std::string& metric : metrics) {
    int label = most_frequent;
    double most = value(metric, label);
    for (int other = 0; other < static_cast<int>(labels.size()); ++other) {
      if (other == most_frequent) continue;
      const double reached = value(metric, other);
      if (reached <= most) continue;
      most = reached;
      label = other;
    }
    best.push_back({metric, most, labels[static_cast<std::size_t>(label)]});
  }
  return best;
}

}  // namespace peftbench::eval
