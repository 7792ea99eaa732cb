#include "commands/compare_runs.h"

#include "commands/metric_tests.h"
#include "commands/paired_answers.h"
#include "data/task/metric_names.h"
#include "eval/scorers.h"
#include "results/bootstrap.h"
#include "results/crossed_test.h"
#include "results/holm.h"
#include "results/permutation.h"
#include "results/statistics.h"
#include "results/table_tests.h"
#include "results/wilcoxon.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace peftbench::commands {
namespace {

constexpr std::size_t least_tasks = 6;

// What is compared on one task: the answers, and which of its metrics.
struct MetricCase {
  TestedMetric metric;
  const std::vector<AnswerPair>& pairs;
};

struct SideScorers {
  std::vector<Scorer> a, b;  // by seed
};

// Answers that are right on one side alone: of a share those that it counts, else what the metric sees as right.
std::pair<std::int64_t, std::int64_t> one_sided(const MetricCase& of, const SideScorers& scorers) {
  std::int64_t only_a = 0, only_b = 0;
  const auto count = [&](bool a, bool b) {
    only_a += a && !b ? 1 : 0;
    only_b += b && !a ? 1 : 0;
  };
  const auto& [name, others, labels, seed] = of.metric;
  const MetricInfo::Judges judges = judges_of(name == mean_metric && !others.empty() ? others.front() : name);
  for (std::size_t s = 0; s < of.pairs.size(); ++s) {
    const auto& [a, b] = of.pairs[s];
    if (scorers.a[s].share)
      for (std::size_t i = 0; i < scorers.a[s].parts.size(); ++i)
        count(scorers.a[s].parts[i] > 0, scorers.b[s].parts[i] > 0);
    else
      for (std::size_t i = 0; i < a.size(); ++i) count(is_right(judges, a[i]), is_right(judges, b[i]));
  }
  return {only_a, only_b};
}

void test_difference(const MetricCase& of, const SideScorers& scorers, const Units& units,
                     const std::vector<double>& differences, ComparedMetric& result) {
  const auto seeds = static_cast<std::int64_t>(of.pairs.size()), count = static_cast<std::int64_t>(units.count);
  const bool mean = is_mean_of(scorers.a.front(), units), share = mean && scorers.a.front().share;
  if (seeds > 1) result.p_seeds = sign_flip_test(differences, of.metric.seed);
  result.test = too_small_text;
  if (is_too_small(seeds, count) && !(seeds == 1 && share)) return;
  const auto values = [&](const std::vector<Scorer>& side) {
    SeedValues all;
    for (const Scorer& scorer : side) all.push_back(unit_values(scorer, units));
    return all;
  };
  const SeedValues a = values(scorers.a), b = values(scorers.b);
  if (seeds == 1) {
    const AnswerPair& pair = of.pairs.front();
    const TestResult found = test_two_runs(of.metric, share, units, {mean ? nullptr : &pair.a, a.front()},
                                           {mean ? nullptr : &pair.b, b.front()});
    result.test = found.test;
    result.p = found.p;
  } else if (const auto crossed = crossed_test(crossed_row(a), crossed_row(b))) {
    result.test = crossed->test;
    result.p = crossed->p;
  }
}

ComparedMetric compare_metric(const MetricCase& of) {
  ComparedMetric result;
  result.name = of.metric.name;
  SideScorers scorers;
  std::vector<double> a, b, differences;
  const Scorer::Weights once(of.pairs.front().a.size(), 1.0);
  for (const AnswerPair& pair : of.pairs) {
    scorers.a.push_back(of.metric.scorer(pair.a));
    scorers.b.push_back(of.metric.scorer(pair.b));
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
  design.seed = of.metric.seed;
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
        compare_metric({{first.metrics[k].name, names, static_cast<int>(first.labels.size()), seed}, pairs});
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
  result.test = too_small_text;
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
