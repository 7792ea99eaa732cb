#include "results/comparison.h"

#include "core/json.h"
#include "core/names.h"
#include "results/row_costs.h"

#include <peftbench/error.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace peftbench::results {
namespace {

std::map<std::string, std::string> flat(const Json& config) {
  std::map<std::string, std::string> result;
  const Json leaves = config.flatten();
  for (const auto& [pointer, value] : leaves.items()) {
    if (pointer.empty()) continue;  // a configuration without entries
    std::string key = pointer.substr(1);
    std::replace(key.begin(), key.end(), '/', '.');
    result[key.starts_with("set.") ? key.substr(4) : key] = json_text(value);
  }
  return result;
}

Json without_seed(Json config) {
  config.erase("seed");
  return config;
}

std::optional<std::int64_t> count(const RunRecord& record, const char* key) {
  const auto found = record.ledger.find(key);
  if (found == record.ledger.end() || !found->is_number_integer()) return std::nullopt;
  if (found->is_number_unsigned() && !std::in_range<std::int64_t>(found->get<std::uint64_t>())) return std::nullopt;
  return found->get<std::int64_t>();
}

std::optional<Range> widened(const std::optional<Range>& range, std::int64_t value) {
  if (!range) return Range{value, value};
  return Range{std::min(range->low, value), std::max(range->high, value)};
}

std::optional<Range> range(const std::vector<const RunRecord*>& records, const char* key) {
  std::optional<Range> range;
  for (const RunRecord* record : records) {
    const auto value = count(*record, key);
    if (!value) continue;
    range = widened(range, *value);
  }
  return range;
}

std::optional<double> mean(const std::vector<double>& values) {
  return values.empty() ? std::nullopt : std::optional<double>(summarise(values).mean);
}

// Of the same task in all records, in their order.
std::vector<MetricScore> metric_scores(const std::vector<const std::vector<MetricRecord>*>& of_records) {
  std::vector<std::pair<std::string, std::vector<double>>> values;
  for (const auto* metrics : of_records)
    for (const MetricRecord& metric : *metrics) {
      auto place = std::find_if(values.begin(), values.end(), [&](const auto& v) { return v.first == metric.name; });
      if (place == values.end()) place = values.insert(values.end(), {metric.name, {}});
      place->second.push_back(metric.value);
    }
  std::vector<MetricScore> scores;
  for (const auto& [name, list] : values) scores.push_back({name, summarise(list)});
  return scores;
}

// Of the same task in all records.
OtherScore other_score(const std::vector<const TaskScore*>& tasks) {
  OtherScore other;
  std::vector<double> scores, illegal;
  std::vector<const std::vector<MetricRecord>*> metrics;
  for (const TaskScore* task : tasks) {
    metrics.push_back(&task->metrics);
    other.task = task->task;
    other.trained = task->trained;
    if (task->illegal_rate) illegal.push_back(*task->illegal_rate);
    if (task->metrics.empty()) continue;
    const MetricRecord& score = task->metrics.front();
    other.metric = score.name;
    other.split = score.split;
    other.examples = widened(other.examples, score.n);
    other.majority = score.majority;
    other.interval = score.interval;
    scores.push_back(score.value);
  }
  other.score = summarise(scores);
  other.metrics = metric_scores(metrics);
  if (scores.size() > 1) other.interval.reset();  // the seeds tell of the spread
  other.illegal_rate = mean(illegal);
  return other;
}

std::vector<OtherScore> other_scores(const std::vector<const RunRecord*>& records) {
  std::vector<std::vector<const TaskScore*>> tasks;
  for (const RunRecord* record : records) {
    for (const TaskScore& task : record->tasks) {
      const auto known =
          std::find_if(tasks.begin(), tasks.end(), [&](const auto& same) { return same.front()->task == task.task; });
      if (known == tasks.end())
        tasks.push_back({&task});
      else
        known->push_back(&task);
    }
  }
  std::vector<OtherScore> others;
  for (const auto& task : tasks) others.push_back(other_score(task));
  return others;
}

// Each once, in their order.
void add_once(std::vector<std::string>& items, const std::string& item) {
  if (std::find(items.begin(), items.end(), item) == items.end()) items.push_back(item);
}

void fill_in(ComparisonRow& row, const std::vector<const RunRecord*>& finished) {
  std::vector<double> scores, illegal, seconds;
  std::vector<std::string> answers;
  std::vector<const std::vector<MetricRecord>*> metrics;
  for (const RunRecord* record : finished) {
    metrics.push_back(&record->metrics);
    add_once(answers, answers_text(*record));
    for (const std::string& warning : record->warnings) add_once(row.warnings, warning);
    if (record->illegal_rate) illegal.push_back(*record->illegal_rate);
    if (const auto s = step_seconds(*record)) seconds.push_back(*s);
    row.peak_memory_bytes = std::max(row.peak_memory_bytes.value_or(0), record->peak_memory_bytes());
    if (const auto percent = record->ledger.find("percent"); percent != record->ledger.end() && percent->is_number())
      row.percent = percent->get<double>();
    const MetricRecord* score = record->score();
    if (!score) continue;
    row.metric = score->name;
    row.split = score->split;
    row.examples = widened(row.examples, score->n);
    row.majority = score->majority;
    row.interval = score->interval;
    scores.push_back(score->value);
  }
  row.answers = join(answers, " or ");
  row.score = summarise(scores);
  if (scores.size() > 1) row.interval.reset();
  row.illegal_rate = mean(illegal);
  row.others = other_scores(finished);
  if (!seconds.empty()) row.step_seconds = median(seconds);
  row.trained = range(finished, "trained");
  row.receiving_gradient = range(finished, "receiving_gradient");
  row.stored = range(finished, "stored");
  row.inference = range(finished, "inference");
  row.after_merge = range(finished, "after_merge");
  row.bytes_stored = range(finished, "bytes_stored");
  row.prompt_tokens = range(finished, "prompt_tokens");
  row.metrics = metric_scores(metrics);
  add_costs(row, finished);
}

bool in_one_table(const ComparisonRow& a, const ComparisonRow& b) {
  return a.task == b.task && a.backbone == b.backbone;
}

// The settings that most rows of the table have; of two that are equally frequent, the first.
const EvaluationSettings& most_frequent(const ComparisonRow& of, const std::vector<ComparisonRow>& rows) {
  const EvaluationSettings* best = nullptr;
  std::ptrdiff_t most = 0;
  for (const ComparisonRow& row : rows) {
    if (!in_one_table(row, of)) continue;
    const auto same = [&](const auto& other) { return in_one_table(other, of) && other.evaluation == row.evaluation; };
    const std::ptrdiff_t count = std::count_if(rows.begin(), rows.end(), same);
    if (count > most) best = &row.evaluation, most = count;
  }
  return *best;
}

SeedRun seed_run(const RunRecord& record) {
  SeedRun run{record.seed, record.id, record.status, record.message, {}};
  if (record.status == "finished" && record.score()) run.score = record.score()->value;
  return run;
}

// The settings in which a method's configurations on one task and backbone differ.
std::set<std::string> differing(const std::vector<Json>& configs) {
  std::set<std::string> keys;
  for (const Json& config : configs) {
    const auto first = flat(configs.front()), other = flat(config);
    for (const auto& [key, value] : first)
      if (const auto found = other.find(key); found == other.end() || found->second != value) keys.insert(key);
    for (const auto& [key, value] : other)
      if (!first.contains(key)) keys.insert(key);
  }
  return keys;
}

struct Group {
  Json config;
  std::vector<const RunRecord*> records;
};

}  // namespace

std::optional<double> step_seconds(const RunRecord& record) {
  // Where the record of the processes before was lost, so are their times: only steps after the resuming are counted.
  const auto& training = record.training;
  const std::int64_t steps = training.steps - (training.times_resumed == 0 ? training.resumed_from : 0);
  for (const PhaseCost& phase : record.phases)
    if (phase.name == "train" && steps > 0) return phase.wall_seconds / static_cast<double>(steps);
  return std::nullopt;
}

std::vector<ComparisonRow> compare(const std::vector<RunRecord>& records) {
  // task, backbone, method → configuration → its runs
  std::map<std::tuple<std::string, std::string, std::string>, std::map<std::string, Group>> places;
  for (const RunRecord& record : records) {
    if (is_trial(record)) continue;
    Json config = without_seed(record.config);
    Group& group = places[{record.task.name, record.backbone.name, record.method.name}][config.dump()];
    group.config = std::move(config);
    group.records.push_back(&record);
  }
  std::vector<ComparisonRow> rows;
  for (const auto& [place, groups] : places) {
    std::vector<Json> configs;
    for (const auto& [text, group] : groups) configs.push_back(group.config);
    const std::set<std::string> keys = differing(configs);
    std::vector<ComparisonRow> here;
    for (const auto& [text, group] : groups) {
      ComparisonRow row;
      std::tie(row.task, row.backbone, row.method) = place;
      row.label = row.method;
      row.evaluation = evaluation_of(group.config);
      const auto values = flat(group.config);
      for (const std::string& key : keys)
        if (const auto found = values.find(key); found != values.end()) row.label += " " + key + "=" + found->second;
      std::vector<const RunRecord*> finished;
      for (const RunRecord* record : group.records) {
        row.runs.push_back(seed_run(*record));
        if (record->status == "finished") finished.push_back(record);
      }
      std::sort(row.runs.begin(), row.runs.end(), [](const auto& a, const auto& b) { return a.seed < b.seed; });
      fill_in(row, finished);
      here.push_back(std::move(row));
    }
    std::sort(here.begin(), here.end(), [](const auto& a, const auto& b) { return a.label < b.label; });
    std::move(here.begin(), here.end(), std::back_inserter(rows));
  }
  for (ComparisonRow& row : rows) row.otherwise = differences(row.evaluation, most_frequent(row, rows));
  return rows;
}

std::vector<ComparisonRow> compare(const StoredRuns& stored) {
  std::vector<RunRecord> records;
  for (const StoredRun& run : stored.runs) records.push_back(run.record);
  std::vector<ComparisonRow> rows = compare(records);
  for (ComparisonRow& row : rows)
    for (const SeedRun& run : row.runs)
      for (const std::string& note : stored.find(run.id)->notes) add_once(row.warnings, note);
  for (const UnreadableRun& run : stored.unreadable) {
    ComparisonRow row;
    row.label = run.folder;
    row.runs = {{0, run.folder, "unreadable", run.message, {}}};
    rows.push_back(std::move(row));
  }
  return rows;
}

namespace {

// What has become of a cell of a suite.
SeedRun run_of(const SuiteCell& cell, const StoredRuns& stored) {
  SeedRun run{cell.seed, cell.run, "missing", "", {}};
  if (const StoredRun* found = stored.find(cell.run)) {
    run = seed_run(found->record);
  } else {
    for (const UnreadableRun& damaged : stored.unreadable)
      if (damaged.folder == cell.run) run.status = "failed", run.message = damaged.message;
  }
  // A process may have had no time to write its record.
  if (run.status != "finished" && !cell.message.empty()) run.status = "failed", run.message = cell.message;
  return run;
}

}  // namespace

void add_standings(std::vector<ComparisonRow>& rows, const TableTests& tests) {
  for (const Standing& standing : tests.standings) rows.at(standing.row).standing = standing;
}

std::vector<ComparisonRow> compare(const SuiteManifest& suite, const StoredRuns& stored) {
  std::vector<ComparisonRow> rows;
  std::vector<std::vector<const RunRecord*>> finished;  // by row
  for (const SuiteCell& cell : suite.cells) {
    auto row = std::find_if(rows.begin(), rows.end(), [&](const ComparisonRow& r) {
      return r.label == cell.row && r.task == cell.task && r.backbone == cell.backbone;
    });
    if (row == rows.end()) {
      ComparisonRow added;
      added.label = cell.row;
      added.method = cell.method;
      added.task = cell.task;
      added.backbone = cell.backbone;
      added.otherwise = cell.otherwise;
      row = rows.insert(rows.end(), std::move(added));
      finished.emplace_back();
    }
    row->runs.push_back(run_of(cell, stored));
    const StoredRun* run = stored.find(cell.run);
    if (!run) continue;
    row->evaluation = evaluation_of(run->record.config);
    for (const std::string& note : run->notes) add_once(row->warnings, note);
    if (run->record.status == "finished")
      finished[static_cast<std::size_t>(row - rows.begin())].push_back(&run->record);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    fill_in(rows[i], finished[i]);
    std::sort(rows[i].runs.begin(), rows[i].runs.end(), [](const auto& a, const auto& b) { return a.seed < b.seed; });
  }
  for (SearchResult& search : search_results(suite, stored))
    for (ComparisonRow& row : rows)
      if (row.label == search.row && row.task == search.task && row.backbone == search.backbone) {
        row.search = search;
        if (search.chosen) row.searched = chosen_values(search);
      }
  return rows;
}

}  // namespace peftbench::results
