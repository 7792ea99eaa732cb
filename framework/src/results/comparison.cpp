#include "results/comparison.h"

#include "core/json.h"
#include "core/names.h"
#include "core/parallel.h"
#include "core/processors.h"
#include "results/row_facts.h"

#include <peftbench/error.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string_view>
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
  if (config.is_object()) config.erase("seed");
  return config;
}

// Sets `otherwise`: against the settings that most rows of the table have; of two that are equally frequent, the first.
void compare_evaluations(std::vector<ComparisonRow>& rows) {
  struct Frequency {
    std::int64_t rows = 0;
    std::size_t first = 0;
  };
  using TableKey = std::pair<std::string, std::string>;
  std::map<TableKey, std::map<EvaluationSettings, Frequency>> tables;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto& settings = tables[{rows[i].task, rows[i].backbone}];
    ++settings.try_emplace(rows[i].evaluation, Frequency{0, i}).first->second.rows;
  }
  for (ComparisonRow& row : rows) {
    const auto& settings = tables[{row.task, row.backbone}];
    const auto most = std::max_element(settings.begin(), settings.end(), [](const auto& a, const auto& b) {
      return std::pair(a.second.rows, b.second.first) < std::pair(b.second.rows, a.second.first);
    });
    row.otherwise = differences(row.evaluation, most->first);
  }
}

SeedRun seed_run(const RunRecord& record) {
  SeedRun run{record.seed, record.id, record.status, record.message, {}};
  if (record.status == "finished" && record.score()) run.score = record.score()->value;
  return run;
}

// Runs whose configurations differ only in the seed, by their places in a list.
using Group = std::vector<std::size_t>;
// task, backbone, method
using Place = std::tuple<std::string, std::string, std::string>;
using Groups = std::map<Place, std::map<std::string_view, Group>>;  // by configuration
// Records are made when they are needed, those of a row together: all at once would not fit in memory.
using ReadRecord = std::function<void(std::size_t, RunRecord&)>;

// Where the records of a row are put. They are made where those of an earlier row were, which is quicker.
class RecordSpace {
 public:
  using Records = std::vector<RunRecord>;
  Records take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return {};
    Records records = std::move(free_.back());
    free_.pop_back();
    return records;
  }
  void give_back(Records records) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(records));
  }

 private:
  std::mutex mutex_;
  std::vector<Records> free_;
};

// The settings in which a method's configurations on one task and backbone differ.
std::set<std::string> differing(const std::map<std::string_view, Group>& groups, const ReadRecord& read) {
  std::set<std::string> keys;
  if (groups.size() < 2) return keys;
  RunRecord record;
  const auto configuration = [&](const Group& group) {
    read(group.front(), record);
    return flat(without_seed(record.config));
  };
  const auto first = configuration(groups.begin()->second);
  for (const auto& [bytes, group] : groups) {
    const auto other = configuration(group);
    for (const auto& [key, value] : first)
      if (const auto found = other.find(key); found == other.end() || found->second != value) keys.insert(key);
    for (const auto& [key, value] : other)
      if (!first.contains(key)) keys.insert(key);
  }
  return keys;
}

ComparisonRow row_of(const Place& place, const Group& group, const std::set<std::string>& keys, const ReadRecord& read,
                     std::vector<RunRecord>& space) {
  if (space.size() < group.size()) space.resize(group.size());
  for (std::size_t i = 0; i < group.size(); ++i) read(group[i], space[i]);
  const std::span<const RunRecord> records(space.data(), group.size());
  const Json config = without_seed(records.front().config);
  ComparisonRow row;
  std::tie(row.task, row.backbone, row.method) = place;
  row.label = row.method;
  row.evaluation = evaluation_of(config);
  if (!keys.empty()) {
    const auto values = flat(config);
    for (const std::string& key : keys)
      if (const auto found = values.find(key); found != values.end()) row.label += " " + key + "=" + found->second;
  }
  std::vector<const RunRecord*> finished;
  for (const RunRecord& record : records) {
    row.runs.push_back(seed_run(record));
    if (record.status == "finished") finished.push_back(&record);
  }
  std::sort(row.runs.begin(), row.runs.end(), [](const auto& a, const auto& b) { return a.seed < b.seed; });
  fill_in(row, finished);
  return row;
}

std::vector<ComparisonRow> rows_of(const Groups& places, const ReadRecord& read) {
  const auto threads = static_cast<int>(std::min<std::int64_t>(usable_processors(), 16));
  RecordSpace space;
  std::vector<ComparisonRow> rows;
  for (const auto& [place, groups] : places) {
    const std::set<std::string> keys = differing(groups, read);
    std::vector<const Group*> parts;
    for (const auto& [config, group] : groups) parts.push_back(&group);
    std::vector<ComparisonRow> here(parts.size());
    in_parallel(
        parts.size(), threads,
        [&](std::size_t i) {
          std::vector<RunRecord> records = space.take();
          here[i] = row_of(place, *parts[i], keys, read, records);
          space.give_back(std::move(records));
        },
        4);
    std::sort(here.begin(), here.end(), [](const auto& a, const auto& b) { return a.label < b.label; });
    std::move(here.begin(), here.end(), std::back_inserter(rows));
  }
  compare_evaluations(rows);
  return rows;
}

}  // namespace

std::vector<ComparisonRow> compare(const std::vector<RunRecord>& records) {
  std::deque<std::string> configs;
  Groups groups;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const RunRecord& record = records[i];
    if (is_trial(record)) continue;
    const std::string& config = configs.emplace_back(without_seed(record.config).dump());
    groups[{record.task.name, record.backbone.name, record.method.name}][config].push_back(i);
  }
  return rows_of(groups, [&](std::size_t i, RunRecord& record) { record = records[i]; });
}

std::vector<ComparisonRow> compare(const StoredRuns& stored) {
  // Of runs that share both parts, the place is unpacked once.
  std::map<std::pair<const std::string*, const std::string*>, Group*> known;  // null: trials of searches
  Groups groups;
  RunRecord record;
  for (std::size_t i = 0; i < stored.runs.size(); ++i) {
    const PackedRecord& packed = stored.runs[i].packed;
    const auto [group, added] = known.try_emplace({packed.place.get(), packed.settings.get()}, nullptr);
    if (added) {
      unpack(packed, record);
      if (!is_trial(record))
        group->second =
            &groups[{record.task.name, record.backbone.name, record.method.name}][packed_configuration(packed)];
    }
    if (group->second) group->second->push_back(i);
  }
  std::vector<ComparisonRow> rows = rows_of(groups, [&](std::size_t i, RunRecord& into) { stored.runs[i].read(into); });
  for (ComparisonRow& row : rows) {
    Once warnings(row.warnings);
    for (const SeedRun& run : row.runs)
      for (const std::string& note : stored.find(run.id)->notes) warnings.add(note);
  }
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
SeedRun run_of(const SuiteCell& cell, const std::optional<RunRecord>& found,
               const std::map<std::string, std::string>& unreadable) {
  SeedRun run{cell.seed, cell.run, "missing", "", {}};
  if (found) {
    run = seed_run(*found);
  } else if (const auto damaged = unreadable.find(cell.run); damaged != unreadable.end()) {
    run.status = "failed", run.message = damaged->second;
  }
  // A process may have had no time to write its record.
  if (run.status != "finished" && !cell.message.empty()) run.status = "failed", run.message = cell.message;
  return run;
}

}  // namespace

void add_standings(std::vector<ComparisonRow>& rows, const TableTests& tests) {
  for (const Standing& standing : tests.standings) rows.at(standing.row).standing = standing;
  for (const GridStanding& cell : tests.grids) rows.at(cell.standing.row).in_grids.push_back(cell);
}

std::vector<ComparisonRow> compare(const SuiteManifest& suite, const StoredRuns& stored) {
  std::map<std::string, std::string> unreadable;
  for (const UnreadableRun& run : stored.unreadable) unreadable.emplace(run.folder, run.message);
  std::vector<std::vector<const SuiteCell*>> rows_of_cells;
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> places;
  for (const SuiteCell& cell : suite.cells) {
    const auto [place, added] = places.emplace(std::tuple(cell.row, cell.task, cell.backbone), rows_of_cells.size());
    if (added) rows_of_cells.emplace_back();
    rows_of_cells[place->second].push_back(&cell);
  }
  std::vector<ComparisonRow> rows;
  for (const std::vector<const SuiteCell*>& cells : rows_of_cells) {
    ComparisonRow row;
    row.label = cells.front()->row;
    row.method = cells.front()->method;
    row.task = cells.front()->task;
    row.backbone = cells.front()->backbone;
    row.otherwise = cells.front()->otherwise;
    Once warnings(row.warnings);
    std::vector<RunRecord> records;
    records.reserve(cells.size());
    for (const SuiteCell* cell : cells) {
      const StoredRun* run = stored.find(cell->run);
      std::optional<RunRecord> record;
      if (run) record = run->record();
      row.runs.push_back(run_of(*cell, record, unreadable));
      if (!run) continue;
      row.evaluation = evaluation_of(record->config);
      for (const std::string& note : run->notes) warnings.add(note);
      if (run->status == "finished") records.push_back(std::move(*record));
    }
    std::vector<const RunRecord*> finished;
    for (const RunRecord& record : records) finished.push_back(&record);
    fill_in(row, finished);
    std::sort(row.runs.begin(), row.runs.end(), [](const auto& a, const auto& b) { return a.seed < b.seed; });
    rows.push_back(std::move(row));
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
