#include "commands/scored_parts.h"

#include "core/names.h"
#include "core/utf8.h"
#include "data/task/metric_names.h"

#include <peftbench/error.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace peftbench::commands {
namespace {

std::vector<std::string> words_of(const ScoreDetails& details) {
  std::vector<std::string> words;
  for (const Json& label : details.labels)
    if (const auto word = label.find("label"); word != label.end() && word->is_string())
      words.push_back(word->get<std::string>());
  return words;
}

std::string metrics_text(const ScoredPart& part) {
  std::vector<std::string> names;
  for (const MetricRecord& metric : part.metrics) names.push_back(metric.name);
  return join(names);
}

std::string example_text(const PredictionFile& file, std::size_t i) {
  const ExamplePlace& place = file.places[i];
  return (place.index ? "index " + std::to_string(*place.index) : "line " + std::to_string(file.lines[i])) +
         (place.origin.empty() ? "" : ", " + printable(place.origin)) + ", target " +
         spelled(file.predictions[i].target);
}

bool same_example(const PredictionFile& a, std::size_t i, const PredictionFile& b, std::size_t k) {
  const Prediction &x = a.predictions[i], &y = b.predictions[k];
  const std::string &from = a.places[i].origin, &to = b.places[k].origin;
  return x.target == y.target && x.group == y.group && (from == to || from.empty() || to.empty());
}

[[noreturn]] void fail_to_pair(const std::string& found, const std::string& expected) {
  throw DataError({"the runs were scored on different examples", found, expected,
                   "compare runs of one task with the same data, eval.split and eval.examples"});
}

// By index, or in the order of the file where it has none.
std::int64_t index_of(const PredictionFile& file, std::size_t i) {
  return file.places[i].index.value_or(static_cast<std::int64_t>(i));
}

}  // namespace

std::vector<ScoredPart> scored_parts(const RunFolder& folder, const RunRecord& record) {
  std::vector<ScoredPart> parts;
  ScoredPart common;
  common.run = record.id;
  common.backbone = record.backbone.name;
  common.seed = record.seed;
  common.file = folder.predictions();
  if (std::none_of(record.tasks.begin(), record.tasks.end(), [](const TaskScore& task) { return task.trained; })) {
    ScoredPart own = common;
    own.task = record.task.name;
    own.hash = record.task.hash;
    own.answers = record.answers;
    own.labels = record.task.labels.empty() ? words_of(record.details) : record.task.labels;
    own.metrics = record.metrics;
    parts.push_back(std::move(own));
  }
  for (const TaskScore& task : record.tasks) {
    ScoredPart part = common;
    part.task = task.task;
    part.hash = task.hash;
    part.answers = task.answers;
    part.labels = words_of(task.details);
    part.metrics = task.metrics;
    if (task.predictions.empty())
      part.lines_of = task.task;
    else
      part.file = folder.path / task.predictions;
    parts.push_back(std::move(part));
  }
  return parts;
}

void check_comparable(const ScoredPart& first, const ScoredPart& other) {
  const auto check = [&](const std::string& what, const std::string& own, const std::string& others,
                         const std::string& remedy) {
    if (own == others) return;
    throw DataError(
        {"the runs were scored on different " + what, other.run + ": " + others, first.run + ": " + own, remedy});
  };
  check("tasks", first.task, other.task, "compare runs of one task");
  const std::string again = "run one of them again with the present version of the task";
  check("data of '" + first.task + "'", first.hash, other.hash, again);
  const auto split = [](const ScoredPart& part) { return part.metrics.empty() ? "" : part.metrics.front().split; };
  check("splits of '" + first.task + "'", split(first), split(other), "compare runs with the same eval.split");
  check("metrics of '" + first.task + "'", metrics_text(first), metrics_text(other), again);
  check("label words of '" + first.task + "'", join(first.labels), join(other.labels), again);
}

PredictionFile read_part(const ScoredPart& part) {
  std::vector<std::string> metrics;
  for (const MetricRecord& metric : part.metrics) metrics.push_back(metric.name);
  for (const std::string& metric : metrics)
    if (const auto problem = metric_problem(metric, metrics, part.labels))
      throw DataError({part.run + " on '" + part.task + "': " + problem->what, problem->found, problem->expected,
                       "run it again: records of older versions lack the label words"});
  check_predictions(part.file);
  PredictionFile file = read_predictions(part.file, part.labels, part.lines_of);
  check_scorable(file, metrics);
  return file;
}

std::vector<Prediction> in_order_of(const PredictionFile& first, const PredictionFile& other) {
  std::unordered_map<std::int64_t, std::size_t> where;
  for (std::size_t i = 0; i < other.predictions.size(); ++i) where.emplace(index_of(other, i), i);
  std::vector<Prediction> ordered;
  ordered.reserve(first.predictions.size());
  for (std::size_t i = 0; i < first.predictions.size(); ++i) {
    const auto found = where.find(index_of(first, i));
    const std::string expected = first.file.string() + ": " + example_text(first, i);
    if (found == where.end()) fail_to_pair(other.file.string() + ": no such example", expected);
    if (!same_example(first, i, other, found->second))
      fail_to_pair(other.file.string() + ": " + example_text(other, found->second), expected);
    ordered.push_back(other.predictions[found->second]);
    where.erase(found);
  }
  if (where.empty()) return ordered;
  const auto more =
      std::min_element(where.begin(), where.end(), [](const auto& x, const auto& y) { return x.second < y.second; });
  fail_to_pair(other.file.string() + ": " + example_text(other, more->second),
               first.file.string() + ": no such example");
}

std::vector<ScoredPart> scored_parts(const StoredRun& run) {
  const RunRecord record = run.record();
  const bool known = record.tasks.empty() && !record.task.labels.empty();
  return scored_parts(run.folder, known ? record : run.load());
}

}  // namespace peftbench::commands
