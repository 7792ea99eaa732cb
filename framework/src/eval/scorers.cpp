#include "eval/scorers.h"

#include "core/names.h"
#include "data/task/metric_names.h"
#include "eval/normalize.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

namespace peftbench::eval {

namespace {

using Predictions = std::vector<Prediction>;
using Weights = Scorer::Weights;

bool label_is_right(const Prediction& p) { return p.target_label >= 0 && p.label == p.target_label; }

bool text_is_right(const Prediction& p) {
  return p.prediction == p.target ||
         std::find(p.references.begin(), p.references.end(), p.prediction) != p.references.end();
}

// The largest over the right answers, all normalised.
template <class Compare>
double best_of_references(const Prediction& p, Compare&& compare) {
  const std::string answer = normalize_squad(p.prediction);
  if (p.references.empty()) return compare(answer, normalize_squad(p.target));
  double best = 0;
  for (const std::string& reference : p.references)
    best = std::max<double>(best, compare(answer, normalize_squad(reference)));
  return best;
}

// How often each pair of target and predicted label occurred; a last row and column hold what is no label word.
class Confusion {
 public:
  Confusion(const Predictions& predictions, int labels) {
    int known = labels;
    for (const Prediction& p : predictions) known = std::max({known, p.target_label + 1, p.label + 1});
    classes_ = static_cast<std::size_t>(known) + 1;
    const auto place = [&](int label) { return label < 0 ? classes_ - 1 : static_cast<std::size_t>(label); };
    for (const Prediction& p : predictions) cells_.push_back(place(p.target_label) * classes_ + place(p.label));
  }
  std::size_t classes() const { return classes_; }
  // [target * classes + predicted]
  std::vector<double> counts(const Weights& weights) const {
    std::vector<double> counts(classes_ * classes_, 0);
    for (std::size_t i = 0; i < cells_.size(); ++i) counts[cells_[i]] += weights[i];
    return counts;
  }
  // Sums over rows, over columns, and the diagonal.
  struct Margins {
    std::vector<double> targets, predictions, hits;
    double n = 0;
  };
  Margins margins(const Weights& weights) const {
    const std::vector<double> cells = counts(weights);
    Margins m{std::vector<double>(classes_, 0), std::vector<double>(classes_, 0), std::vector<double>(classes_, 0)};
    for (std::size_t t = 0; t < classes_; ++t) {
      for (std::size_t p = 0; p < classes_; ++p) {
        m.targets[t] += cells[t * classes_ + p];
        m.predictions[p] += cells[t * classes_ + p];
        m.n += cells[t * classes_ + p];
      }
      m.hits[t] = cells[t * classes_ + t];
    }
    return m;
  }

 private:
  std::size_t classes_ = 0;
  std::vector<std::size_t> cells_;  // of each prediction
};

double macro_f1(const Confusion::Margins& m, int labels) {
  double sum = 0;
  for (std::size_t k = 0; k < static_cast<std::size_t>(labels); ++k) {
    const double both = m.targets[k] + m.predictions[k];
    if (both > 0) sum += 2 * m.hits[k] / both;
  }
  return labels > 0 ? sum / labels : 0;
}

double matthews(const Confusion::Margins& m) {
  const double correct = std::accumulate(m.hits.begin(), m.hits.end(), 0.0);
  const double product = std::inner_product(m.targets.begin(), m.targets.end(), m.predictions.begin(), 0.0);
  const double targets = std::inner_product(m.targets.begin(), m.targets.end(), m.targets.begin(), 0.0);
  const double predictions = std::inner_product(m.predictions.begin(), m.predictions.end(), m.predictions.begin(), 0.0);
  const double spread = (m.n * m.n - predictions) * (m.n * m.n - targets);
  return spread > 0 ? (correct * m.n - product) / std::sqrt(spread) : 0;
}

// T5's: an answer that is neither label counts as the wrong one of the two.
// `labels`: the target's and the answer's, of each row.
double binary_f1(const std::vector<std::pair<int, int>>& labels, const Weights& weights) {
  double hits = 0, targets = 0, answers = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto [target, label] = labels[i];
    const bool positive = label == 1 || (label != 0 && target == 0);
    if (target == 1) targets += weights[i];
    if (positive) answers += weights[i];
    if (target == 1 && positive) hits += weights[i];
  }
  return targets + answers > 0 ? 2 * hits / (targets + answers) : 0;
}

// Smaller where squares would overflow: a correlation does not depend on the scale.
std::vector<double> in_range(std::vector<double> values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  if (most > 1e100)
    for (double& value : values) value /= most;
  return values;
}

double correlation(const std::vector<double>& x, const std::vector<double>& y, const Weights& weights) {
  double n = 0, mean_x = 0, mean_y = 0;
  std::optional<std::size_t> first;
  bool varies_x = false, varies_y = false;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (weights[i] == 0) continue;
    if (!first) first = i;
    varies_x |= x[i] != x[*first];
    varies_y |= y[i] != y[*first];
    n += weights[i];
    mean_x += weights[i] * x[i];
    mean_y += weights[i] * y[i];
  }
  if (!varies_x || !varies_y) return 0;  // what does not vary correlates with nothing
  mean_x /= n;
  mean_y /= n;
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += weights[i] * dx * dx;
    yy += weights[i] * dy * dy;
    xy += weights[i] * dx * dy;
  }
  const double spread = std::sqrt(xx) * std::sqrt(yy);
  return spread > 0 ? std::clamp(xy / spread, -1.0, 1.0) : 0;
}

// Ranks of values that are drawn several times, equal ones sharing the mean of theirs.
class Ranks {
 public:
  explicit Ranks(const std::vector<double>& values) {
    std::vector<double> distinct = values;
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    for (const double value : values)
      place_.push_back(
          static_cast<std::size_t>(std::lower_bound(distinct.begin(), distinct.end(), value) - distinct.begin()));
    distinct_ = distinct.size();
  }
  std::vector<double> of(const Weights& weights) const {
    std::vector<double> drawn(distinct_, 0), rank(distinct_, 0), ranks(place_.size());
    for (std::size_t i = 0; i < place_.size(); ++i) drawn[place_[i]] += weights[i];
    double before = 0;
    for (std::size_t k = 0; k < distinct_; ++k) {
      rank[k] = before + (drawn[k] + 1) / 2;
      before += drawn[k];
    }
    for (std::size_t i = 0; i < place_.size(); ++i) ranks[i] = rank[place_[i]];
    return ranks;
  }

 private:
  std::vector<std::size_t> place_;  // of each value among the distinct ones, in rising order
  std::size_t distinct_ = 0;
};

// A mean of scores: of every prediction, or of the first of each group alone.
Scorer mean_scorer(std::vector<double> scores, std::vector<std::size_t> counted, bool share) {
  Scorer scorer;
  scorer.n = static_cast<std::int64_t>(counted.size());
  scorer.share = share;
  for (const std::size_t i : counted) scorer.parts.push_back(scores[i]);
  scorer.value = [scores = std::move(scores), counted = std::move(counted)](const Weights& weights) {
    double sum = 0, n = 0;
    for (const std::size_t i : counted) {
      sum += weights[i] * scores[i];
      n += weights[i];
    }
    return n > 0 ? sum / n : 0;
  };
  return scorer;
}

std::vector<std::size_t> all_of(const Predictions& predictions) {
  std::vector<std::size_t> all(predictions.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// Rows without a group stand for themselves.
std::vector<std::size_t> first_of_groups(const Predictions& predictions) {
  std::unordered_set<std::string_view> seen;
  std::vector<std::size_t> first;
  for (std::size_t i = 0; i < predictions.size(); ++i)
    if (predictions[i].group.empty() || seen.insert(predictions[i].group).second) first.push_back(i);
  return first;
}

template <class Score>
std::vector<double> scores_of(const Predictions& predictions, Score&& score) {
  std::vector<double> scores;
  for (const Prediction& p : predictions) scores.push_back(score(p));
  return scores;
}

// 1 at each row of a group whose labels are all right.
std::vector<double> groups_all_right(const Predictions& predictions) {
  std::unordered_map<std::string_view, bool> right;
  for (const Prediction& p : predictions) {
    const auto [group, added] = right.emplace(p.group, true);
    group->second = group->second && label_is_right(p);
  }
  return scores_of(predictions,
                   [&](const Prediction& p) { return p.group.empty() ? label_is_right(p) : right[p.group]; });
}

Scorer correlation_scorer(const Predictions& predictions, bool ranks) {
  // T5's: what is no number is −1, which lies outside STS-B's scale.
  const auto number = [](const std::string& text) { return number_of(text).value_or(-1); };
  const std::vector<double> x = scores_of(predictions, [&](const Prediction& p) { return number(p.target); });
  const std::vector<double> y = scores_of(predictions, [&](const Prediction& p) { return number(p.prediction); });
  Scorer scorer;
  scorer.lowest = -1;
  if (ranks)
    scorer.value = [x = Ranks(x), y = Ranks(y)](const Weights& w) { return correlation(x.of(w), y.of(w), w); };
  else
    scorer.value = [x = in_range(x), y = in_range(y)](const Weights& w) { return correlation(x, y, w); };
  return scorer;
}

Scorer mean_of_metrics(const std::vector<std::string>& names, const Predictions& predictions, int labels) {
  Scorer mean;
  std::vector<Scorer> parts;
  for (const std::string& name : names) {
    parts.push_back(make_scorer(name, {}, predictions, labels));
    mean.grouped |= parts.back().grouped;
    mean.lowest += parts.back().lowest / static_cast<double>(names.size());
  }
  mean.value = [parts = std::move(parts)](const Weights& weights) {
    double sum = 0;
    for (const Scorer& part : parts) sum += part.value(weights);
    return parts.empty() ? 0 : sum / static_cast<double>(parts.size());
  };
  return mean;
}

using Maker = std::function<Scorer(const Predictions&, int)>;

Scorer share_of(const Predictions& predictions, bool (*right)(const Prediction&)) {
  return mean_scorer(scores_of(predictions, right), all_of(predictions), true);
}

bool wsc_is_right(const Prediction& p) { return names_referent(p.prediction, p.target) == p.target_label; }

template <class Value>
Scorer confusion_scorer(const Predictions& predictions, int labels, Value value) {
  Scorer scorer;
  scorer.value = [confusion = Confusion(predictions, labels), labels, value](const Weights& w) {
    return value(confusion.margins(w), labels);
  };
  return scorer;
}

Scorer f1_scorer(const Predictions& predictions, bool grouped) {
  Scorer scorer;
  scorer.grouped = grouped;
  std::vector<std::pair<int, int>> labels;
  for (const Prediction& p : predictions) labels.emplace_back(p.target_label, p.label);
  scorer.value = [labels = std::move(labels)](const Weights& w) { return binary_f1(labels, w); };
  return scorer;
}

const std::map<std::string_view, Maker>& makers() {
  static const std::map<std::string_view, Maker> table = {
      {"accuracy", [](const auto& p, int) { return share_of(p, label_is_right); }},
      {"exact_match", [](const auto& p, int) { return share_of(p, text_is_right); }},
      {"wsc_simple", [](const auto& p, int) { return share_of(p, wsc_is_right); }},
      {"squad_em", [](const auto& p, int) { return share_of(p, squad_match); }},
      {"squad_f1", [](const auto& p, int) { return mean_scorer(scores_of(p, squad_f1), all_of(p), false); }},
      {"record_em",
       [](const auto& p, int) { return mean_scorer(scores_of(p, squad_match), first_of_groups(p), true); }},
      {"record_f1", [](const auto& p, int) { return mean_scorer(scores_of(p, squad_f1), first_of_groups(p), false); }},
      {"em", [](const auto& p, int) { return mean_scorer(groups_all_right(p), first_of_groups(p), true); }},
      {"macro_f1", [](const auto& p, int labels) { return confusion_scorer(p, labels, macro_f1); }},
      {"matthews",
       [](const auto& p, int labels) {
         Scorer scorer = confusion_scorer(p, labels, [](const auto& margins, int) { return matthews(margins); });
         scorer.lowest = -1;
         return scorer;
       }},
      {"f1", [](const auto& p, int) { return f1_scorer(p, false); }},
      {"f1a", [](const auto& p, int) { return f1_scorer(p, true); }},
      {"pearson", [](const auto& p, int) { return correlation_scorer(p, false); }},
      {"spearman", [](const auto& p, int) { return correlation_scorer(p, true); }},
  };
  return table;
}

}  // namespace

double squad_f1(const Prediction& prediction) { return best_of_references(prediction, word_f1); }

bool squad_match(const Prediction& prediction) {
  return best_of_references(prediction, [](const auto& a, const auto& b) { return a == b ? 1.0 : 0.0; }) > 0;
}

Units units_of(const Predictions& predictions, bool grouped) {
  Units units;
  std::unordered_map<std::string_view, std::size_t> groups;
  for (const Prediction& p : predictions) {
    if (!grouped || p.group.empty()) {
      units.of.push_back(units.count++);
      continue;
    }
    const auto [group, added] = groups.emplace(p.group, units.count);
    if (added) ++units.count;
    units.of.push_back(group->second);
  }
  return units;
}

bool is_right(MetricInfo::Judges judges, const Prediction& p) {
  switch (judges) {
    case MetricInfo::Judges::text:
      return text_is_right(p);
    case MetricInfo::Judges::squad:
      return squad_match(p);
    case MetricInfo::Judges::referent:
      return wsc_is_right(p);
    case MetricInfo::Judges::number: {
      const auto number = number_of(p.prediction);
      return number && number == number_of(p.target);
    }
    case MetricInfo::Judges::label:
      break;
  }
  return label_is_right(p);
}

Scorer make_scorer(std::string_view name, const std::vector<std::string>& names, const Predictions& predictions,
                   int labels) {
  const bool known = find_metric(name) != nullptr;
  if (!known)
    throw ConfigError({.what = "unknown metric",
                       .found = "'" + std::string(name) + "'",
                       .remedy = did_you_mean(name, metric_names())});
  Scorer scorer =
      name == mean_metric ? mean_of_metrics(names, predictions, labels) : makers().at(name)(predictions, labels);
  scorer.grouped |= find_metric(name)->groups;
  if (scorer.n == 0) scorer.n = static_cast<std::int64_t>(predictions.size());
  return scorer;
}

}  // namespace peftbench::eval
