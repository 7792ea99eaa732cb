#include "commands/compare_runs.h"

#include "commands/paired_answers.h"
#include "data/task/metric_names.h"
#include "eval/scorers.h"
#include "results/bootstrap.h"
#include "results/holm.h"
#include "results/mcnemar.h"
#include "results/permutation.h"
#include "results/statistics.h"
#include "results/wilcoxon.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace peftbench::commands {
namespace {

constexpr const char* too_small = "n too small";
constexpr std::size_t least_seeds = 5, least_units = 100, least_tasks = 6;

// What is compared on one task: the answers, and which of its metrics.
struct MetricCase {
  std::string name;
  std::vector<std::string> others;  // whose mean `mean` is
  const std::vector<AnswerPair>& pairs;
  int labels;
  std::uint64_t seed;

  Scorer scorer(const std::vector<Prediction>& predictions) const {
    return make_scorer(name, others, predictions, labels);
  }
};

struct SideScorers {
  std::vector<Scorer> a, b;  // by seed
};

// The examples are exchanged between the sides, those of a unit together and in all seeds at once.
std::optional<double> exchange_examples(const MetricCase& of, const Units& units) {
  std::vector<Scorer> both;  // over the answers of A, then those of B
  for (const AnswerPair& pair : of.pairs) {
    std::vector<Prediction> answers = pair.a;
    answers.insert(answers.end(), pair.b.begin(), pair.b.end());
    for (std::size_t i = 0; i < answers.size(); ++i)  // a group of A is not that of B
      if (!answers[i].group.empty()) answers[i].group.insert(0, i < pair.a.size() ? "a" : "b");
    both.push_back(of.scorer(answers));
  }
  const std::size_t n = units.of.size();
  Scorer::Weights a(2 * n), b(2 * n);
  return permutation_test(units.count, of.seed, [&](const std::vector<char>& exchanged) {
    for (std::size_t i = 0; i < n; ++i) {
      const bool other = exchanged[units.of[i]] != 0;
      a[i] = b[n + i] = other ? 0 : 1;
      a[n + i] = b[i] = other ? 1 : 0;
    }
    double sum = 0;
    for (const Scorer& scorer : both) sum += scorer.value(a) - scorer.value(b);
    return sum / static_cast<double>(both.size());
  });
}

// Answers that are right on one side alone: of a share those that it counts, else what the metric sees as right.
std::pair<std::int64_t, std::int64_t> one_sided(const MetricCase& of, const SideScorers& scorers) {
  std::int64_t only_a = 0, only_b = 0;
  const auto count = [&](bool a, bool b) {
    only_a += a && !b ? 1 : 0;
    only_b += b && !a ? 1 : 0;
  };
  const MetricInfo::Judges judges =
      judges_of(of.name == mean_metric && !of.others.empty() ? of.others.front() : of.name);
  for (std::size_t s = 0; s < of.pairs.size(); ++s) {
    const auto& [a, b] = of.pairs[s];
    if (scorers.a[s].share)
      for (std::size_t i = 0; i < scorers.a[s].right.size(); ++i)
        count(scorers.a[s].right[i] > 0, scorers.b[s].right[i] > 0);
    else
      for (std::size_t i = 0; i < a.size(); ++i) count(is_right(judges, a[i]), is_right(judges, b[i]));
  }
  return {only_a, only_b};
}

void test_difference(const MetricCase& of, const SideScorers& scorers, const Units& units,
                     const std::vector<double>& differences, ComparedMetric& result) {
  if (of.pairs.size() == 1 && scorers.a.front().share) {
    result.test = "McNemar, exact";
    result.p = mcnemar_exact(result.only_a, result.only_b);
  } else if (differences.size() >= least_seeds) {
    result.test = "permutation of seeds";
    result.p = sign_flip_test(differences, of.seed);
  } else if (units.count >= least_units) {
    result.test = "permutation of examples (these seeds only)";
    result.p = exchange_examples(of, units);
  } else {
    result.test = too_small;
  }
}

ComparedMetric compare_metric(const MetricCase& of) {
  ComparedMetric result;
  result.name = of.name;
  SideScorers scorers;
  std::vector<double> a, b, differences;
  const Scorer::Weights once(of.pairs.front().a.size(), 1.0);
  for (const AnswerPair& pair : of.pairs) {
    scorers.a.push_back(of.scorer(pair.a));
    scorers.b.push_back(of.scorer(pair.b));
    a.push_back(scorers.a.back().value(once));
    b.push_back(scorers.b.back().value(once));
    differences.push_back(a.back() - b.back());
  }
  result.n = scorers.a.front().n;
  result.a = summarise(a).mean;
  result.b = summarise(b).mean;
  result.difference = summarise(differences).mean;
  std::tie(result.only_a, result.only_b) = one_sided(of, scorers);
  const Units units = units_of(of.pairs.front().a, scorers.a.front().grouped);
  BootstrapDesign design;
  design.unit_of = units.of;
  design.units = units.count;
  design.seeds = of.pairs.size();
  design.seed = of.seed;
  const auto score = [](const std::vector<Scorer>& side) {
    return [&side](std::size_t seed, const Scorer::Weights& weights) { return side[seed].value(weights); };
  };
  if (const auto intervals = paired_bootstrap(design, score(scorers.a), score(scorers.b))) {
    result.a_interval = intervals->a;
    result.b_interval = intervals->b;
    result.interval = intervals->difference;
  }
  test_difference(of, scorers, units, differences, result);
  return result;
}

// The score by the predictions is that of the record, and a run alone has its record's interval.
void take_from_records(const PairedParts& parts, std::size_t k, ComparedMetric& metric,
                       std::vector<std::string>& warnings) {
  const auto side = [&](auto part_of, double& score, std::optional<Interval>& interval) {
    std::vector<double> recorded;
    for (const auto& pair : parts) recorded.push_back((pair.*part_of).metrics[k].value);
    const double mean = summarise(recorded).mean;
    if (!(std::abs(mean - score) <= 1e-9))
      warnings.push_back(fmt::format("{} of {} is {} by its predictions, and {} by its record", metric.name,
                                     (parts.front().*part_of).run, score, mean));
    const auto& own = (parts.front().*part_of).metrics[k].interval;
    if (parts.size() == 1 && own) interval = own;
  };
  using Pair = PairedParts::value_type;
  side(&Pair::first, metric.a, metric.a_interval);
  side(&Pair::second, metric.b, metric.b_interval);
}

ComparedTask compare_task(const PairedParts& parts, std::uint64_t seed, ProgressSink& progress,
                          std::vector<std::string>& warnings) {
  const ScoredPart& first = parts.front().first;
  const std::vector<AnswerPair> pairs = read_answers(parts);
  ComparedTask result;
  result.task = first.task;
  result.backbone_a = first.backbone;
  result.backbone_b = parts.front().second.backbone;
  result.split = first.metrics.front().split;
  result.examples = static_cast<std::int64_t>(pairs.front().a.size());
  for (const auto& [a, b] : parts) {
    result.runs_a.push_back(a.run);
    result.seeds_a.push_back(a.seed);
    result.runs_b.push_back(b.run);
    result.seeds_b.push_back(b.seed);
  }
  std::vector<std::string> names;
  for (const MetricRecord& metric : first.metrics)
    if (metric.name != mean_metric) names.push_back(metric.name);
  const auto count = static_cast<std::int64_t>(first.metrics.size());
  for (std::size_t k = 0; k < first.metrics.size(); ++k) {
    progress.update({"compare " + first.task, static_cast<std::int64_t>(k), count, first.metrics[k].name});
    ComparedMetric metric =
        compare_metric({first.metrics[k].name, names, pairs, static_cast<int>(first.labels.size()), seed});
    take_from_records(parts, k, metric, warnings);
    result.metrics.push_back(std::move(metric));
  }
  return result;
}

OverTasks compare_over(const std::vector<ComparedTask>& tasks) {
  OverTasks result;
  std::vector<double> differences;
  for (const ComparedTask& task : tasks) differences.push_back(task.metrics.front().difference);
  result.tasks = static_cast<std::int64_t>(tasks.size());
  result.difference = summarise(differences).mean;
  result.test = too_small;
  if (tasks.size() < least_tasks) return result;
  const auto found = wilcoxon_signed_rank(differences);
  result.test = found && !found->exact ? "Wilcoxon signed-rank, normal approximation" : "Wilcoxon signed-rank, exact";
  if (found) result.p = found->p;
  return result;
}

}  // namespace

RunComparison compare_runs(const CompareRequest& request, ProgressSink& progress) {
  RunComparison result;
  const Side a = find_side(request.a, request.out, result.warnings);
  const Side b = find_side(request.b, request.out, result.warnings);
  for (const PairedParts& parts : pair_parts(a, b, result.warnings))
    result.tasks.push_back(compare_task(parts, request.seed, progress, result.warnings));
  std::vector<std::optional<double>> values;
  for (const ComparedTask& task : result.tasks)
    for (const ComparedMetric& metric : task.metrics) values.push_back(metric.p);
  const std::vector<std::optional<double>> adjusted = holm_adjusted(values);
  std::size_t next = 0;
  for (ComparedTask& task : result.tasks)
    for (ComparedMetric& metric : task.metrics) metric.adjusted_p = adjusted[next++];
  if (result.tasks.size() > 1) result.over_tasks = compare_over(result.tasks);
  return result;
}

}  // namespace peftbench::commands
