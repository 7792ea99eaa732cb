#include "results/row_facts.h"

#include "core/names.h"
#include "results/row_costs.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace peftbench::results {
namespace {

std::optional<std::int64_t> count(const RunRecord& record, const char* key) {
  const auto found = record.ledger.find(key);
  if (found == record.ledger.end() || !found->is_number_integer()) return std::nullopt;
  if (found->is_number_unsigned() && !std::in_range<std::int64_t>(found->get<std::uint64_t>())) return std::nullopt;
  return found->get<std::int64_t>();
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
  other.illegal_rate = mean_if_any(illegal);
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

// In the seconds of a report over many runs this counts, and those of a row seldom differ in it.
class AnswersTexts {
 public:
  std::string of(const RunRecord& record) {
    if (!last_ || !evaluated_alike(last_->config, record.config)) evaluation_ = evaluation_of(record.config);
    last_ = &record;
    return answers_text(record.answers, evaluation_);
  }

 private:
  const RunRecord* last_ = nullptr;
  EvaluationSettings evaluation_;
};

}  // namespace

std::optional<Range> widened(const std::optional<Range>& range, std::int64_t value) {
  if (!range) return Range{value, value};
  return Range{std::min(range->low, value), std::max(range->high, value)};
}

std::optional<double> step_seconds(const RunRecord& record) {
  // Where the record of the processes before was lost, so are their times: only steps after the resuming are counted.
  const auto& training = record.training;
  const std::int64_t steps = training.steps - (training.times_resumed == 0 ? training.resumed_from : 0);
  for (const PhaseCost& phase : record.phases)
    if (phase.name == "train" && steps > 0) return phase.wall_seconds / static_cast<double>(steps);
  return std::nullopt;
}

void fill_in(ComparisonRow& row, const std::vector<const RunRecord*>& finished) {
  std::vector<double> scores, illegal, seconds;
  std::vector<std::string> answers;
  std::vector<const std::vector<MetricRecord>*> metrics;
  Once answers_once(answers), warnings_once(row.warnings);
  AnswersTexts texts;
  for (const RunRecord* record : finished) {
    metrics.push_back(&record->metrics);
    answers_once.add(texts.of(*record));
    for (const std::string& warning : record->warnings) warnings_once.add(warning);
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
  row.illegal_rate = mean_if_any(illegal);
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

}  // namespace peftbench::results
