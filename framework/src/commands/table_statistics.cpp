#include "commands/table_statistics.h"

#include "commands/metric_tests.h"
#include "commands/scored_parts.h"
#include "core/clock.h"
#include "core/first_line.h"
#include "core/names.h"
#include "data/task/metric_names.h"
#include "report/page/page_data.h"
#include "results/benchmark.h"
#include "results/crossed_test.h"
#include "results/table_bootstrap.h"

#include <peftbench/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>

namespace peftbench::commands {
namespace {

// The score of a row in a table: its own, or in a grid that on another task.
struct Entry {
  std::size_t row = 0;  // place in the list of all rows
  std::string task;
  double mean = 0;
  std::optional<Interval> interval = {};  // of a single seed: that of its record
};

// What is compared: rows on one task, or a column of a grid.
struct Table {
  std::string task, backbone;
  std::vector<Entry> entries;
};

// A row that may be tested, with what its runs were scored on.
struct Candidate {
  Entry entry;
  std::vector<ScoredPart> parts;  // by seed
};

// Its answers, read.
struct TestedRow {
  RankedRow ranked;
  std::string label;
  SeedValues values;
  bool mean = false, share = false;
  std::vector<Scorer> scorers;                   // by seed, where the metric is no mean
  std::vector<std::vector<Prediction>> answers;  // the same, of a single seed alone
  CrossedRow crossed;
};

// What two rows must have in common.
std::string scored_on(const ScoredPart& part) {
  std::vector<std::string> texts = {part.hash, part.metrics.empty() ? "" : part.metrics.front().split};
  for (const MetricRecord& metric : part.metrics) texts.push_back(metric.name);
  texts.emplace_back();
  texts.insert(texts.end(), part.labels.begin(), part.labels.end());
  return join(texts, "\x1f");
}

ScoredPart part_of_run(const std::string& task, const StoredRun& run) {
  const std::vector<ScoredPart> parts = scored_parts(run);
  const ScoredPart* part = nullptr;
  for (const ScoredPart& one : parts)
    if (!part && one.task == task) part = &one;
  if (!part && parts.front().task != task) throw DataError("run " + run.id + " has no score on " + task);
  if (!part) throw DataError("a mixture as a whole has no examples that are its own");
  if (part->metrics.empty()) throw DataError("run " + part->run + " has no score");
  std::error_code error;
  if (!fs::is_regular_file(part->file, error)) throw DataError("the predictions of " + part->run + " are missing");
  return *part;
}

// Throws DataError where the row cannot be tested.
Candidate candidate_of(const Entry& entry, const ComparisonRow& row, const StoredRuns& stored) {
  if (!std::isfinite(entry.mean)) throw DataError("its score is undefined");
  if (!row.otherwise.empty()) throw DataError("it is evaluated differently from the rest of its table");
  Candidate candidate{entry, {}};
  for (const SeedRun& seed : row.runs) {
    if (!seed.score) continue;
    const StoredRun* run = stored.find(seed.id);
    if (!run) throw DataError("its run " + seed.id + " is not there");
    candidate.parts.push_back(part_of_run(entry.task, *run));
    if (scored_on(candidate.parts.back()) != scored_on(candidate.parts.front()))
      throw DataError("its seeds were scored on different data, splits, metrics or label words");
  }
  if (candidate.parts.empty()) throw DataError("none of its runs has a score");
  return candidate;
}

// Reads the answers of the rows of one table, all in the order of the first.
class TableReader {
 public:
  TableReader(const std::vector<ComparisonRow>& rows, std::uint64_t seed) : rows_(rows), seed_(seed) {}

  // Throws Error where its answers are not those of its records, or of other examples than those of the first row.
  TestedRow read(const Candidate& candidate) {
    TestedRow row;
    // Rows of a grid have the same label where a method was trained on several tasks.
    const ComparisonRow& known = rows_[candidate.entry.row];
    row.label = known.task == candidate.entry.task ? known.label : known.label + " trained on " + known.task;
    row.ranked.row = candidate.entry.row;
    std::vector<double> scores;
    for (const ScoredPart& part : candidate.parts) scores.push_back(add(part, candidate.parts.size(), row));
    row.ranked.score = summarise(scores).mean;
    row.ranked.seeds = static_cast<std::int64_t>(scores.size());
    row.ranked.examples = static_cast<std::int64_t>(units_->count);
    row.ranked.interval = candidate.entry.interval;
    row.crossed = crossed_row(row.values);
    return row;
  }
  const Units& units() const { return *units_; }
  const TestedMetric& metric() const { return metric_; }

 private:
  double add(const ScoredPart& part, std::size_t seeds, TestedRow& row) {
    PredictionFile file = read_part(part);
    std::vector<Prediction> answers = first_ ? in_order_of(*first_, file) : file.predictions;
    TestedMetric metric{part.metrics.front().name, {}, static_cast<int>(part.labels.size()), seed_};
    for (const MetricRecord& other : part.metrics)
      if (other.name != mean_metric) metric.others.push_back(other.name);
    Scorer scorer = metric.scorer(answers);
    const double score = scorer.value(Scorer::Weights(answers.size(), 1.0)), recorded = part.metrics.front().value;
    if (answers.empty() || !(std::abs(score - recorded) <= 1e-9))
      throw DataError(fmt::format("{} of {} is {} by its predictions, and {} by its record", metric.name, part.run,
                                  score, recorded));
    if (!first_) {
      units_ = units_of(answers, scorer.grouped);
      metric_ = metric;
      first_ = std::make_unique<PredictionFile>(std::move(file));
    }
    row.mean = is_mean_of(scorer, *units_);
    row.share = row.mean && scorer.share;
    row.values.push_back(unit_values(scorer, *units_));
    if (row.mean) return score;
    row.scorers.push_back(std::move(scorer));
    if (seeds == 1) row.answers.push_back(std::move(answers));
    return score;
  }

  const std::vector<ComparisonRow>& rows_;
  const std::uint64_t seed_;
  std::unique_ptr<PredictionFile> first_;
  std::optional<Units> units_;
  TestedMetric metric_;
};

BootstrapRow bootstrap_row(const TestedRow& row) {
  BootstrapRow result{row.label, row.values.size(), {}, {}};
  if (row.mean)
    result.values = row.values;
  else
    result.score = [&row](std::size_t seed, const std::vector<double>& weights) {
      return row.scorers[seed].value(weights);
    };
  return result;
}

void test_pair(const TestedRow& a, const TestedRow& b, const TableReader& reader, PairTest& pair) {
  pair.test = too_small_text;
  if (is_too_small(pair.seeds, pair.examples)) return;
  if (a.ranked.seeds == 1 && b.ranked.seeds == 1) {
    const auto answers = [](const TestedRow& row) {
      return ScoredAnswers{row.answers.empty() ? nullptr : &row.answers.front(), row.values.front()};
    };
    const TestResult found = test_two_runs(reader.metric(), a.share, reader.units(), answers(a), answers(b));
    pair.test = found.test;
    pair.p = found.p;
  } else if (const auto crossed = crossed_test(a.crossed, b.crossed)) {
    pair.test = crossed->test;
    pair.p = crossed->p;
  }
}

std::vector<Table> tables_of(const std::vector<ComparisonRow>& rows) {
  std::vector<Table> tables;
  for (const RowGroup& group : row_groups(rows)) {
    Table table{rows[group.rows.front()].task, rows[group.rows.front()].backbone, {}};
    for (const std::size_t i : group.rows)
      if (!is_benchmark_mean(rows[i]) && rows[i].score.n > 0)
        table.entries.push_back({i, rows[i].task, rows[i].score.mean, rows[i].interval});
    if (!table.entries.empty()) tables.push_back(std::move(table));
  }
  return tables;
}

// The columns of the grids of mixtures' own tasks (`trained`), or of tasks that were not trained on, as
// report/score_grid.h shows them: the scores of every row that has such, and its own where that is of one task.
std::vector<Table> grid_columns(const std::vector<ComparisonRow>& rows, bool trained) {
  std::map<std::pair<std::string, std::string>, Table> columns;  // by backbone and task
  const auto add = [&](Entry entry, const std::string& backbone, const Summary& score) {
    Table& column = columns[{backbone, entry.task}];
    column.task = entry.task;
    column.backbone = backbone;
    if (score.n > 0) column.entries.push_back(std::move(entry));
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    bool has = false, mixture = false;
    for (const OtherScore& other : rows[i].others) {
      mixture |= other.trained;
      if (other.trained != trained) continue;
      has = true;
      add({i, other.task, other.score.mean, other.interval}, rows[i].backbone, other.score);
    }
    if (has && !mixture) add({i, rows[i].task, rows[i].score.mean, rows[i].interval}, rows[i].backbone, rows[i].score);
  }
  std::vector<Table> tables;
  for (auto& [place, column] : columns)
    if (column.entries.size() > 1) tables.push_back(std::move(column));
  return tables;
}

// Tests of tables whose pairs are adjusted together.
class Tests {
 public:
  Tests(const std::vector<ComparisonRow>& rows, const StoredRuns& stored, const TableTestRequest& request,
        ProgressSink& progress)
      : rows_(rows), stored_(stored), request_(request), progress_(progress) {}

  void add(const Table& table) {
    const std::vector<Entry>& entries = table.entries;
    if (request_.tables == TestedTables::automatic && entries.size() > most_tested_rows) {
      result_.notes.push_back(fmt::format("{} on {}: {} rows, more than {}, are not tested; --tests all does it",
                                          table.task, table.backbone, entries.size(), most_tested_rows));
      return;
    }
    // Of a single seed the record has the interval.
    if (entries.size() == 1 && rows_[entries.front().row].score.n == 1) return;
    TableReader reader(rows_, request_.seed);
    std::vector<TestedRow> tested = read(candidates(table), reader);
    if (!tested.empty()) test(table.task, tested, reader);
  }

  // Those of rows in their tables.
  TableTests result() {
    adjust_pairs(result_.pairs);
    for (const TestedTable& table : tables_)
      for (const Standing& standing : standings(table)) result_.standings.push_back(standing);
    return std::move(result_);
  }

  // The tables were columns of a grid.
  void add_to(TableTests& all, bool trained) {
    adjust_pairs(result_.pairs);
    for (const TestedTable& table : tables_)
      for (const Standing& standing : standings(table)) all.grids.push_back({table.task, trained, standing});
    all.notes.insert(all.notes.end(), result_.notes.begin(), result_.notes.end());
    std::set<std::string> notes;  // the reason is often the same in all columns
    for (const UntestedRow& untested : result_.untested) {
      const ComparisonRow& row = rows_[untested.row];
      std::string note = fmt::format("{} trained on {}, {}, is not tested on other tasks: {}", row.label, row.task,
                                     row.backbone, untested.why);
      if (notes.insert(note).second) all.notes.push_back(std::move(note));
    }
  }

 private:
  struct TestedTable {
    std::string task;
    std::vector<RankedRow> rows;
    std::size_t first_pair, last_pair;  // among all; behind the last
  };

  std::vector<Standing> standings(const TestedTable& table) const {
    return standings_of(table.rows,
                        std::span(result_.pairs).subspan(table.first_pair, table.last_pair - table.first_pair));
  }

  void leave_out(std::size_t row, const std::string& why) { result_.untested.push_back({row, first_line(why)}); }

  // Those that were scored on what most rows were; of equally frequent ones the first.
  std::vector<Candidate> candidates(const Table& table) {
    std::vector<Candidate> all, result;
    std::map<std::string, std::size_t> frequency;
    for (const Entry& entry : table.entries) {
      try {
        all.push_back(candidate_of(entry, rows_[entry.row], stored_));
        ++frequency[scored_on(all.back().parts.front())];
      } catch (const Error& error) {
        leave_out(entry.row, error.what());
      }
    }
    std::string common;
    for (const Candidate& candidate : all)
      if (const std::string here = scored_on(candidate.parts.front()); frequency[here] > frequency[common])
        common = here;
    for (Candidate& candidate : all)
      if (scored_on(candidate.parts.front()) == common)
        result.push_back(std::move(candidate));
      else
        leave_out(candidate.entry.row,
                  "it was scored on other data, another split, metrics or label words than most rows");
    return result;
  }

  std::vector<TestedRow> read(const std::vector<Candidate>& candidates, TableReader& reader) {
    std::vector<TestedRow> tested;
    for (const Candidate& candidate : candidates) {
      tell("read answers", tested.size(), candidates.size(), candidate.entry.row);
      try {
        tested.push_back(reader.read(candidate));
      } catch (const Error& error) {
        leave_out(candidate.entry.row, error.what());
      }
    }
    return tested;
  }

  void test(const std::string& task, std::vector<TestedRow>& tested, const TableReader& reader) {
    const std::size_t first_pair = result_.pairs.size();
    tell("bootstrap", 0, tested.size(), tested.front().ranked.row);
    BootstrapDesign design;
    design.unit_of = reader.units().of;
    design.units = reader.units().count;
    design.seed = request_.seed;
    design.draws = request_.draws;
    std::vector<BootstrapRow> rows;
    for (const TestedRow& row : tested) rows.push_back(bootstrap_row(row));
    const std::vector<std::vector<double>> drawn = bootstrap_scores(design, rows);
    std::vector<RankedRow> ranked;
    for (std::size_t a = 0; a < tested.size(); ++a) {
      if (tested[a].ranked.seeds > 1 || !tested[a].ranked.interval)
        tested[a].ranked.interval = percentile_interval(drawn[a]);
      ranked.push_back(tested[a].ranked);
      tell("test pairs", a, tested.size(), tested[a].ranked.row);
      for (std::size_t b = a + 1; b < tested.size(); ++b) {
        PairTest pair;
        pair.a = tested[a].ranked.row;
        pair.b = tested[b].ranked.row;
        pair.seeds = std::min(tested[a].ranked.seeds, tested[b].ranked.seeds);
        pair.examples = tested[a].ranked.examples;
        pair.difference = tested[a].ranked.score - tested[b].ranked.score;
        std::vector<double> differences(drawn[a].size());
        for (std::size_t d = 0; d < differences.size(); ++d) differences[d] = drawn[a][d] - drawn[b][d];
        pair.interval = percentile_interval(std::move(differences));
        test_pair(tested[a], tested[b], reader, pair);
        result_.pairs.push_back(std::move(pair));
      }
    }
    tables_.push_back({task, std::move(ranked), first_pair, result_.pairs.size()});
  }

  // Of a report that is there at once nothing is told.
  void tell(const char* what, std::size_t done, std::size_t total, std::size_t row) {
    if (clock_.wall_seconds() < 1) return;
    progress_.update({what, static_cast<std::int64_t>(done), static_cast<std::int64_t>(total),
                      rows_[row].task + ", " + rows_[row].label});
  }

  const std::vector<ComparisonRow>& rows_;
  const StoredRuns& stored_;
  const TableTestRequest& request_;
  ProgressSink& progress_;
  Stopwatch clock_;
  TableTests result_;
  std::vector<TestedTable> tables_;
};

}  // namespace

TableTests test_tables(const std::vector<ComparisonRow>& rows, const StoredRuns& stored,
                       const TableTestRequest& request, ProgressSink& progress) {
  if (request.tables == TestedTables::none || request.draws <= 0) return {};
  Tests tests(rows, stored, request, progress);
  for (const Table& table : tables_of(rows)) tests.add(table);
  TableTests result = tests.result();
  for (const bool trained : {true, false}) {
    Tests grid(rows, stored, request, progress);
    for (const Table& column : grid_columns(rows, trained)) grid.add(column);
    grid.add_to(result, trained);
  }
  return result;
}

}  // namespace peftbench::commands
