#include "commands/paired_answers.h"

#include "commands/evaluate_run.h"
#include "core/names.h"
#include "core/utf8.h"
#include "data/task/metric_names.h"
#include "eval/prediction_file.h"
#include "results/comparison.h"
#include "results/stored_runs.h"
#include "results/suite_manifest.h"

#include <peftbench/error.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <unordered_map>

namespace peftbench::commands {
namespace {

std::vector<std::string> words_of(const ScoreDetails& details) {
  std::vector<std::string> words;
  for (const Json& label : details.labels)
    if (const auto word = label.find("label"); word != label.end() && word->is_string())
      words.push_back(word->get<std::string>());
  return words;
}

// The run's own task first. A mixture as a whole has no examples of its own.
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

std::vector<SideRow> rows_named(const std::string& label, const std::vector<ComparisonRow>& table,
                                const StoredRuns& stored, std::vector<std::string>& warnings) {
  std::vector<SideRow> rows;
  for (const ComparisonRow& row : table) {
    if (row.label != label || row.task.empty()) continue;
    SideRow found{row.task, row.backbone, {}};
    for (const SeedRun& seed : row.runs) {
      const StoredRun* run = stored.find(seed.id);
      if (run && run->status == "finished")
        found.runs.push_back(scored_parts(run->folder, run->load()));
      else
        warnings.push_back(label + " on " + row.task + ", seed " + std::to_string(seed.seed) + " is " + seed.status +
                           ", and is not compared");
    }
    if (!found.runs.empty()) rows.push_back(std::move(found));
  }
  return rows;
}

std::vector<std::string> suites_of(const fs::path& runs) {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(runs, missing))
    if (entry.path().extension() == ".suite") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

bool is_run_folder(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(folder / "record.json", error);
}

const ScoredPart* part_on(const std::string& task, const std::vector<ScoredPart>& parts) {
  const auto found = std::find_if(parts.begin(), parts.end(), [&](const auto& part) { return part.task == task; });
  return found == parts.end() ? nullptr : &*found;
}

std::string metrics_text(const ScoredPart& part) {
  std::vector<std::string> names;
  for (const MetricRecord& metric : part.metrics) names.push_back(metric.name);
  return join(names);
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

using RunPairs = std::vector<std::pair<const std::vector<ScoredPart>*, const std::vector<ScoredPart>*>>;

RunPairs pair_by_seed(const SideRow& a, const SideRow& b, std::vector<std::string>& warnings) {
  if (a.runs.size() == 1 && b.runs.size() == 1) return {{&a.runs.front(), &b.runs.front()}};
  RunPairs pairs;
  const auto with_seed = [](const SideRow& row, std::uint64_t seed) -> const std::vector<ScoredPart>* {
    for (const auto& run : row.runs)
      if (run.front().seed == seed) return &run;
    return nullptr;
  };
  const auto list = [](const SideRow& row) {
    std::vector<std::string> seeds;
    for (const auto& run : row.runs) seeds.push_back(std::to_string(run.front().seed));
    return join(seeds);
  };
  for (const auto& run : a.runs)
    if (const auto* other = with_seed(b, run.front().seed)) pairs.emplace_back(&run, other);
  if (pairs.empty())
    throw DataError({"the sides have no seed in common on '" + a.task + "'", "seeds " + list(b), "seeds " + list(a),
                     "run both with the same seeds, or name one run of each side"});
  if (pairs.size() < a.runs.size() || pairs.size() < b.runs.size())
    warnings.push_back("on " + a.task + " only seeds that both sides have are compared: A has " + list(a) + ", B has " +
                       list(b));
  return pairs;
}

// The row of B for a row of A: on the same task and backbone, or the only one on the task where A has one too.
const SideRow* partner(const SideRow& row, const Side& a, const Side& b) {
  std::vector<const SideRow*> on_task;
  for (const SideRow& other : b.rows) {
    if (other.task == row.task && other.backbone == row.backbone) return &other;
    if (other.task == row.task) on_task.push_back(&other);
  }
  const auto own =
      std::count_if(a.rows.begin(), a.rows.end(), [&](const auto& other) { return other.task == row.task; });
  if (on_task.size() == 1 && own == 1) return on_task.front();
  return a.rows.size() == 1 && b.rows.size() == 1 ? &b.rows.front() : nullptr;  // two runs: what differs is said below
}

void pair_rows(const SideRow& a, const SideRow& b, std::vector<PairedParts>& result,
               std::vector<std::string>& warnings) {
  const RunPairs runs = pair_by_seed(a, b, warnings);
  const std::vector<ScoredPart>& first = *runs.front().first;
  check_comparable(first.front(), runs.front().second->front());
  for (const ScoredPart& part : first) {
    PairedParts parts;
    for (const auto& [run_a, run_b] : runs) {
      const ScoredPart *of_a = part_on(part.task, *run_a), *of_b = part_on(part.task, *run_b);
      if (!of_a || !of_b) {
        warnings.push_back((of_a ? run_b : run_a)->front().run + " was not scored on " + part.task +
                           ", which is not compared");
        parts.clear();
        break;
      }
      check_comparable(part, *of_a);
      check_comparable(part, *of_b);
      if (of_a->answers != of_b->answers)
        warnings.push_back("on " + part.task + " the answers of " + of_a->run + " are " + of_a->answers +
                           ", those of " + of_b->run + " " + of_b->answers);
      parts.emplace_back(*of_a, *of_b);
    }
    if (!parts.empty()) result.push_back(std::move(parts));
  }
}

PredictionFile answers_of(const ScoredPart& part) {
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

// The predictions of `other` in the order of `first`.
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

}  // namespace

Side find_side(const std::string& name, const fs::path& runs, std::vector<std::string>& warnings) {
  Side side{name, {}};
  std::set<std::string> labels;
  if (!is_run_folder(name) && (name.empty() || !is_run_folder(runs / name))) {
    const StoredRuns stored = read_runs(runs);
    std::vector<ComparisonRow> table = results::compare(stored);
    side.rows = rows_named(name, table, stored, warnings);
    std::string in;
    for (const std::string& suite : side.rows.empty() ? suites_of(runs) : std::vector<std::string>()) {
      const auto manifest = find_manifest(runs, suite);
      if (!manifest) continue;
      std::vector<ComparisonRow> rows = results::compare(*manifest, stored);
      std::vector<SideRow> named = rows_named(name, rows, stored, warnings);
      if (!named.empty() && !in.empty())
        throw DataError({"ambiguous row '" + name + "'", "a row of the suites " + in + " and " + suite,
                         "a row of one of them", "name runs by their ids"});
      if (!named.empty()) side.rows = std::move(named), in = suite;
      std::move(rows.begin(), rows.end(), std::back_inserter(table));
    }
    if (!side.rows.empty()) return side;
    for (const ComparisonRow& row : table) labels.insert(row.label);
    if (labels.contains(name))
      throw DataError({"no run of the row '" + name + "' has finished", join(warnings, "; "), "a finished run",
                       "run its command again to continue it"});
  }
  RunFolder folder;
  try {
    folder = find_run(name, runs);
  } catch (const DataError&) {
    if (!nearest(name, {labels.begin(), labels.end()})) throw;
    throw DataError({"there is no run or row '" + name + "'", "neither a run nor a row's label in " + runs.string(),
                     "a run's folder or id, or the label of a row of `peft-bench report " + runs.string() + "`",
                     did_you_mean(name, {labels.begin(), labels.end()})});
  }
  const RunRecord record = finished_record(folder);
  side.rows = {{record.task.name, record.backbone.name, {scored_parts(folder, record)}}};
  return side;
}

std::vector<PairedParts> pair_parts(const Side& a, const Side& b, std::vector<std::string>& warnings) {
  std::vector<PairedParts> result;
  std::vector<std::string> of_a, of_b;
  std::set<const SideRow*> paired;
  for (const SideRow& row : a.rows) {
    of_a.push_back(row.task + " on " + row.backbone);
    const SideRow* other = partner(row, a, b);
    if (!other) {
      warnings.push_back("only A has runs on " + of_a.back());
      continue;
    }
    paired.insert(other);
    pair_rows(row, *other, result, warnings);
  }
  for (const SideRow& row : b.rows) {
    of_b.push_back(row.task + " on " + row.backbone);
    if (!paired.contains(&row)) warnings.push_back("only B has runs on " + of_b.back());
  }
  if (result.empty())
    throw DataError({"the sides have no task in common", "B, '" + b.name + "': " + join(of_b),
                     "A, '" + a.name + "': " + join(of_a), "compare runs of one task and backbone"});
  return result;
}

std::vector<AnswerPair> read_answers(const PairedParts& parts) {
  const PredictionFile first = answers_of(parts.front().first);
  std::vector<AnswerPair> pairs;
  for (const auto& [a, b] : parts) {
    AnswerPair pair;
    pair.a = pairs.empty() ? first.predictions : in_order_of(first, answers_of(a));
    pair.b = in_order_of(first, answers_of(b));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace peftbench::commands
