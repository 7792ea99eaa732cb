#include "commands/paired_answers.h"

#include "commands/evaluate_run.h"
#include "core/names.h"
#include "results/comparison.h"
#include "results/stored_runs.h"
#include "results/suite_manifest.h"

#include <peftbench/error.h>

#include <algorithm>
#include <iterator>
#include <set>

namespace peftbench::commands {
namespace {

std::vector<SideRow> rows_named(const std::string& label, const std::vector<ComparisonRow>& table,
                                const StoredRuns& stored, std::vector<std::string>& warnings) {
  std::vector<SideRow> rows;
  for (const ComparisonRow& row : table) {
    if (row.label != label || row.task.empty()) continue;
    SideRow found{row.task, row.backbone, {}};
    for (const SeedRun& seed : row.runs) {
      const StoredRun* run = stored.find(seed.id);
      if (run && run->status == "finished")
        found.runs.push_back(scored_parts(*run));
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
  const PredictionFile first = read_part(parts.front().first);
  std::vector<AnswerPair> pairs;
  for (const auto& [a, b] : parts) {
    AnswerPair pair;
    pair.a = pairs.empty() ? first.predictions : in_order_of(first, read_part(a));
    pair.b = in_order_of(first, read_part(b));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace peftbench::commands
