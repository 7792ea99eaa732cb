#include "results/search_results.h"

#include "core/json.h"
#include "core/numbers.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace peftbench::results {
namespace {

std::optional<double> number_of(const Json& value) {
  if (value.is_number()) return value.get<double>();
  return value.is_string() ? parse_number<double>(value.get<std::string>()) : std::nullopt;
}

bool at_end_of_choices(const Json& choices, double value) {
  double low = value, high = value;
  for (const Json& choice : choices) {
    const auto number = number_of(choice);
    if (!number) return false;
    low = std::min(low, *number);
    high = std::max(high, *number);
  }
  return choices.size() > 2 && (value == low || value == high);
}

// `space` is one setting's.
bool at_end(const Json& space, const Json& value) {
  const auto number = number_of(value);
  if (!number || space.size() != 1) return false;
  const std::string kind = space.begin().key();
  const Json& ends = space.begin().value();
  if (kind == "choices") return at_end_of_choices(ends, *number);
  if (ends.size() != 2) return false;
  const auto low = number_of(ends[0]), high = number_of(ends[1]);
  if (!low || !high) return false;
  const auto scaled = [&](double x) { return kind == "log" ? std::log(x) : x; };
  const double from = scaled(*low), to = scaled(*high), at = scaled(*number), margin = 0.05 * (to - from);
  return !(at > from + margin && at < to - margin);
}

SearchTrial trial_of(const SuiteCell& cell, const StoredRuns& stored) {
  SearchTrial trial{cell.run, "missing", cell.values, {}, cell.trial, cell.rung, cell.message};
  if (const StoredRun* run = stored.find(cell.run)) {
    const RunRecord record = run->record();
    trial.status = record.status;
    trial.score = trial_score(record);
    if (trial.status == "failed") trial.message = record.message;
  }
  if (trial.status != "finished" && !trial.message.empty()) trial.status = "failed";
  return trial;
}

// The first metric of a trial that has a score.
std::string metric_of(const std::vector<SearchTrial>& trials, const StoredRuns& stored) {
  for (const SearchTrial& trial : trials)
    if (const StoredRun* run = trial.score ? stored.find(trial.run) : nullptr) return run->record().score()->name;
  return {};
}

SearchResult result_of(const SuiteSearch& search, const SuiteManifest& suite, const StoredRuns& stored) {
  SearchResult result{search.row, search.method, search.task,   search.backbone, "", {}, {}, {},
                      {},         search.space,  search.trials, search.halving};
  for (const SuiteCell& cell : suite.trials) {
    if (!same_row(cell, search)) continue;
    SearchTrial trial = trial_of(cell, stored);
    const auto same = [&](const SearchTrial& other) { return other.number == trial.number; };
    const auto known = std::find_if(result.trials.begin(), result.trials.end(), same);
    if (known == result.trials.end())
      result.trials.push_back(std::move(trial));
    else if (known->rung < trial.rung)
      *known = std::move(trial);
  }
  std::vector<double> scores;
  for (std::size_t i = 0; i < result.trials.size(); ++i) {
    const SearchTrial& trial = result.trials[i];
    if (search.chosen > 0 && trial.number == search.chosen) result.chosen = i;
    if (trial.score) scores.push_back(*trial.score);
  }
  result.metric = metric_of(result.trials, stored);
  if (search.halving == 0) result.expected_best = expected_best(std::move(scores));
  if (result.chosen) result.edges = edges_of(search.space, result.trials[*result.chosen].values);
  return result;
}

}  // namespace

bool is_trial(const RunRecord& record) {
  const auto search = record.config.find("search");
  return search != record.config.end() && search->is_object() && search->contains("trial");
}

std::size_t count_trials(const StoredRuns& stored) {
  std::map<const std::string*, bool> known;  // by what tells it, which the seeds of a row share
  RunRecord record;
  std::size_t trials = 0;
  for (const StoredRun& run : stored.runs) {
    const auto [settings, added] = known.try_emplace(run.packed.settings.get(), false);
    if (added) {
      run.read(record);
      settings->second = is_trial(record);
    }
    trials += settings->second;
  }
  return trials;
}

std::optional<double> trial_score(const RunRecord& record) {
  const MetricRecord* score = record.status == "finished" ? record.score() : nullptr;
  if (!score || score->split != "validation" || !std::isfinite(score->value)) return std::nullopt;
  return score->value;
}

bool is_settled(const RunRecord& record) {
  const bool diverged = record.message.starts_with("training diverged");  // train/divergence.cpp
  return record.status == "finished" || (record.status == "failed" && diverged);
}

std::optional<std::size_t> best_score(const std::vector<std::optional<double>>& scores) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (scores[i] && (!best || *scores[i] > *scores[*best])) best = i;
  return best;
}

std::vector<std::string> edges_of(const Json& space, const Json& values) {
  std::vector<std::string> edges;
  for (const auto& [name, of] : space.items())
    if (const auto value = values.find(name); value != values.end() && at_end(of, *value))
      edges.push_back(name + "=" + json_text(*value));
  return edges;
}

std::vector<std::string> chosen_values(const SearchResult& search) {
  std::vector<std::string> values;
  if (!search.chosen) return values;
  for (const auto& [name, value] : search.trials[*search.chosen].values.items())
    values.push_back(name + "=" + json_text(value));
  return values;
}

std::vector<SearchResult> search_results(const SuiteManifest& suite, const StoredRuns& stored) {
  std::vector<SearchResult> results;
  for (const SuiteSearch& search : suite.searches) results.push_back(result_of(search, suite, stored));
  return results;
}

// Dodge et al. 2019, "Show your work", equation 2: E[max of k] = Σ_i v_(i) ((i/n)^k − ((i−1)/n)^k), v ascending.
std::vector<double> expected_best(std::vector<double> scores) {
  std::sort(scores.begin(), scores.end());
  const auto n = static_cast<double>(scores.size());
  std::vector<double> expected;
  for (std::size_t k = 1; k <= scores.size(); ++k) {
    double sum = 0, below = 0;
    for (std::size_t i = 1; i <= scores.size(); ++i) {
      const double up_to = std::pow(static_cast<double>(i) / n, static_cast<double>(k));
      sum += scores[i - 1] * (up_to - below);
      below = up_to;
    }
    expected.push_back(sum);
  }
  return expected;
}

}  // namespace peftbench::results
