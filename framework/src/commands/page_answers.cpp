#include "commands/page_answers.h"

#include "commands/scored_parts.h"
#include "core/first_line.h"
#include "core/json.h"
#include "data/task/metric_names.h"
#include "eval/scorers.h"

#include <peftbench/error.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace peftbench::commands {
namespace {

// A row of a table with the answers of one of its runs, in the order of the table's first.
struct AnsweredRow {
  std::size_t row = 0;
  ScoredPart part;
  std::vector<Prediction> predictions;
};

// The finished run with the seed of `like`, else the first.
const StoredRun* run_of(const ComparisonRow& row, const StoredRuns& stored, const ScoredPart* like) {
  const StoredRun* first = nullptr;
  for (const SeedRun& run : row.runs) {
    const StoredRun* found = run.status == "finished" ? stored.find(run.id) : nullptr;
    if (!found) continue;
    if (!first) first = found;
    if (like && like->seed == run.seed) return found;
  }
  return first;
}

std::optional<ScoredPart> own_part(const StoredRun& run) {
  const std::string task = run.record().task.name;
  for (ScoredPart& part : scored_parts(run))
    if (part.task == task && part.lines_of.empty()) return std::move(part);
  return std::nullopt;  // a mixture: it has no examples of its own
}

// Of the lines with these indices: the input's text, else its hash.
std::map<std::int64_t, std::string> read_inputs(const ScoredPart& part, const std::set<std::int64_t>& wanted,
                                                const char* key) {
  std::map<std::int64_t, std::string> inputs;
  LineReader lines(part.file);
  std::int64_t place = 0;
  for (std::string text; lines.next(text);) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    JsonFault fault;
    const auto line = parse_json<Json>(text, fault);
    if (!line || !line->is_object()) continue;
    const auto index = line->find("index");
    const std::int64_t at = index == line->end() ? place : json_integer(*index).value_or(place);
    ++place;
    const auto input = line->find(key);
    if (input != line->end() && input->is_string() && wanted.contains(at)) inputs[at] = input->get<std::string>();
  }
  return inputs;
}

// From the first row whose file has texts, else whose file has hashes.
std::map<std::int64_t, std::string> inputs_of(const std::vector<AnsweredRow>& rows,
                                              const std::set<std::int64_t>& wanted) {
  for (const char* key : {"input", "input_hash"})
    for (const AnsweredRow& row : rows)
      if (auto inputs = read_inputs(row.part, wanted, key); !inputs.empty()) return inputs;
  return {};
}

// The rows of a group that have answers to the same examples as the first of them, and that one's file.
std::pair<std::vector<AnsweredRow>, PredictionFile> answered_rows(const std::vector<std::size_t>& places,
                                                                  const std::vector<ComparisonRow>& rows,
                                                                  const StoredRuns& stored,
                                                                  std::vector<std::string>& notes) {
  std::vector<AnsweredRow> answered;
  PredictionFile first;
  for (const std::size_t r : places) {
    const StoredRun* run = run_of(rows[r], stored, answered.empty() ? nullptr : &answered.front().part);
    std::optional<ScoredPart> part = run ? own_part(*run) : std::nullopt;
    if (!part || !file_exists(part->file)) continue;
    try {
      PredictionFile file = read_part(*part);
      if (answered.empty()) {
        std::vector<Prediction> predictions = file.predictions;
        answered.push_back({r, std::move(*part), std::move(predictions)});
        first = std::move(file);
      } else {
        check_comparable(answered.front().part, *part);
        std::vector<Prediction> predictions = in_order_of(first, file);
        answered.push_back({r, std::move(*part), std::move(predictions)});
      }
    } catch (const DataError& error) {
      notes.push_back("answers of " + rows[r].label + " on " + rows[r].task +
                      " are not shown: " + first_line(error.what()));
    }
  }
  return {std::move(answered), std::move(first)};
}

TableAnswers answers_of(const std::vector<AnsweredRow>& rows, const PredictionFile& first, const AnswerLimits& limits) {
  TableAnswers table;
  const std::string metric = rows.front().part.metrics.empty() ? "" : rows.front().part.metrics.front().name;
  const MetricInfo::Judges judges = judges_of(metric);
  std::vector<std::vector<std::string>> answers;
  std::vector<std::vector<bool>> right;
  for (const AnsweredRow& row : rows) {
    table.rows.push_back(row.row);
    table.seeds.push_back(row.part.seed);
    std::vector<std::string>& own = answers.emplace_back();
    std::vector<bool>& is_own_right = right.emplace_back();
    for (const Prediction& prediction : row.predictions) {
      own.push_back(prediction.prediction);
      is_own_right.push_back(is_right(judges, prediction));
    }
  }
  const std::size_t n = first.predictions.size();
  table.examples = static_cast<std::int64_t>(n);
  for (std::size_t a = 0; a < rows.size(); ++a)
    for (std::size_t b = a + 1; b < rows.size(); ++b) {
      PairDifference pair{a, b, 0, 0, 0};
      for (std::size_t i = 0; i < n; ++i) {
        pair.differ += answers[a][i] != answers[b][i] ? 1 : 0;
        pair.only_a += right[a][i] && !right[b][i] ? 1 : 0;
        pair.only_b += right[b][i] && !right[a][i] ? 1 : 0;
      }
      table.pairs.push_back(pair);
    }
  const std::vector<std::size_t> shown = telling_examples(answers, limits.examples_each, limits.examples_all);
  const auto index_at = [&](std::size_t i) { return first.places[i].index.value_or(static_cast<std::int64_t>(i)); };
  std::set<std::int64_t> wanted;
  for (const std::size_t i : shown) wanted.insert(index_at(i));
  const std::map<std::int64_t, std::string> inputs = inputs_of(rows, wanted);
  for (const std::size_t i : shown) {
    AnsweredExample example;
    example.place = first.places[i].origin.empty() ? "example " + std::to_string(index_at(i)) : first.places[i].origin;
    if (const auto input = inputs.find(index_at(i)); input != inputs.end()) example.input = input->second;
    example.target = first.predictions[i].target;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      example.answers.push_back(answers[r][i]);
      example.right.push_back(right[r][i]);
    }
    table.shown.push_back(std::move(example));
  }
  return table;
}

}  // namespace

std::vector<std::size_t> telling_examples(const std::vector<std::vector<std::string>>& answers, std::size_t each,
                                          std::size_t all) {
  const std::size_t rows = answers.size(), n = rows ? answers.front().size() : 0;
  std::vector<std::size_t> shown;
  std::vector<std::size_t> have(rows * rows, 0);
  std::vector<bool> taken(n, false);
  for (std::size_t most = 1; most <= each; ++most)
    for (std::size_t i = 0; i < n && shown.size() < all; ++i) {
      if (taken[i]) continue;
      bool needed = false;
      for (std::size_t a = 0; a < rows && !needed; ++a)
        for (std::size_t b = a + 1; b < rows && !needed; ++b)
          needed = have[a * rows + b] < most && answers[a][i] != answers[b][i];
      if (!needed) continue;
      taken[i] = true;
      shown.push_back(i);
      for (std::size_t a = 0; a < rows; ++a)
        for (std::size_t b = a + 1; b < rows; ++b) have[a * rows + b] += answers[a][i] != answers[b][i] ? 1 : 0;
    }
  return shown;
}

std::vector<TableAnswers> table_answers(const std::vector<ComparisonRow>& rows, const StoredRuns& stored,
                                        const AnswerLimits& limits, std::vector<std::string>& notes) {
  std::vector<TableAnswers> tables;
  for (const RowGroup& group : row_groups(rows)) {
    std::vector<std::size_t> places = group.rows;
    std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
      const double of_a = rows[a].score.mean, of_b = rows[b].score.mean;
      return std::isfinite(of_a) && (!std::isfinite(of_b) || of_a > of_b);
    });
    if (places.size() > limits.rows) places.resize(limits.rows);
    const auto [answered, first] = answered_rows(places, rows, stored, notes);
    if (answered.size() > 1) tables.push_back(answers_of(answered, first, limits));
  }
  return tables;
}

}  // namespace peftbench::commands
