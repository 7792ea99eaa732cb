#include "results/search_results.h"
#include "results/comparison.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace peftbench::search_results_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The mean of the maximum over all n^k draws.
double by_brute_force(const std::vector<double>& scores, std::size_t k) {
  std::vector<std::size_t> draw(k, 0);
  double sum = 0;
  std::size_t draws = 0;
  while (true) {
    double best = scores[draw[0]];
    for (const std::size_t i : draw) best = std::max(best, scores[i]);
    sum += best;
    ++draws;
    std::size_t at = 0;
    while (at < k && ++draw[at] == scores.size()) draw[at++] = 0;
    if (at == k) return sum / static_cast<double>(draws);
  }
}

TEST(ExpectedBest, IsTheMeanOverAllDraws) {
  std::mt19937 random(1);
  for (std::size_t n = 1; n <= 6; ++n) {
    std::vector<double> scores;
    for (std::size_t i = 0; i < n; ++i) scores.push_back(static_cast<double>(random() % 7) / 7);  // with ties
    const std::vector<double> expected = expected_best(scores);
    ASSERT_EQ(expected.size(), n);
    for (std::size_t k = 1; k <= n; ++k) EXPECT_NEAR(expected[k - 1], by_brute_force(scores, k), 1e-12);
    EXPECT_TRUE(std::is_sorted(expected.begin(), expected.end()));
  }
  EXPECT_THAT(expected_best({}), IsEmpty());
}

TEST(BestScore, IsTheFirstOfTheHighest) {
  EXPECT_EQ(best_score({{}, 0.5, 0.7, 0.7, {}}), 2u);
  EXPECT_EQ(best_score({{}, {}}), std::nullopt);
}

TEST(Edges, AreTheOuterPartsOfASpace) {
  const Json space = {{"rate", {{"log", {1e-4, 1e-2}}}},
                      {"share", {{"uniform", {0, 1}}}},
                      {"rank", {{"choices", {"4", "8", "16"}}}},
                      {"init", {{"choices", {"a", "b", "c"}}}},
                      {"two", {{"choices", {"1", "2"}}}}};
  const auto edges = [&](const char* name, const Json& value) { return edges_of(space, Json{{name, value}}).size(); };
  EXPECT_EQ(edges("rate", 1.2e-4), 1u);
  EXPECT_EQ(edges("rate", 2e-4), 0u);
  EXPECT_EQ(edges("rate", 9e-3), 1u);
  EXPECT_EQ(edges("rate", 0.5), 1u);  // outside
  EXPECT_EQ(edges("share", 0.5), 0u);
  EXPECT_EQ(edges("share", 0.96), 1u);
  EXPECT_EQ(edges("rank", 4), 1u);
  EXPECT_EQ(edges("rank", 8), 0u);
  EXPECT_EQ(edges("rank", 16), 1u);
  EXPECT_EQ(edges("init", "a"), 0u);
  EXPECT_EQ(edges("two", 1), 0u);
  EXPECT_THAT(edges_of(space, Json{{"rate", 0.01}, {"rank", 8}}), ElementsAre("rate=0.01"));
}

StoredRun run_of(const std::string& id, double score, std::int64_t trial, const std::string& split = "validation") {
  static SharedBytes shared;
  RunRecord record;
  record.id = id;
  record.status = "finished";
  record.metrics = {{split, "accuracy", score, 100, {}, {}}};
  record.config = {{"seed", 1001}};
  if (trial > 0) record.config["search"]["trial"] = trial;
  return {id, record.status, {}, {}, pack(std::move(record), shared)};
}

SuiteCell cell_of(const std::string& id, std::int64_t trial, double rate, std::int64_t rung = 0) {
  SuiteCell cell{"low", "lora", "movies", "t5", trial > 0 ? 1001u : 1u, id, "", {}};
  cell.trial = trial;
  cell.rung = rung;
  cell.values = {{"train.learning_rate", rate}};
  return cell;
}

TEST(SearchResults, ComeFromManifestAndRecords) {
  StoredRuns stored;
  stored.runs = {run_of("a", 0.5, 1), run_of("b", 0.7, 2), run_of("c", 0.6, 3), run_of("f", 0.65, 0, "test")};
  SuiteManifest suite{"s"};
  suite.cells = {cell_of("f", 0, 0.009)};
  suite.searches = {
      {"low", "lora", "movies", "t5", "sobol", 1, 4, 0, {{"train.learning_rate", {{"log", {1e-4, 1e-2}}}}}, 2}};
  suite.trials = {cell_of("a", 1, 1e-3), cell_of("b", 2, 0.009), cell_of("c", 3, 2e-3), cell_of("d", 4, 3e-3)};
  suite.trials.back().message = "killed";
  const std::vector<SearchResult> results = search_results(suite, stored);
  ASSERT_EQ(results.size(), 1u);
  const SearchResult& search = results.front();
  EXPECT_EQ(search.metric, "accuracy");
  EXPECT_EQ(search.planned, 4);
  ASSERT_EQ(search.trials.size(), 4u);
  EXPECT_EQ(search.trials[3].status, "failed");
  EXPECT_EQ(search.trials[3].message, "killed");
  EXPECT_EQ(search.chosen, 1u);
  EXPECT_EQ(search.expected_best.size(), 3u);
  EXPECT_NEAR(search.expected_best[0], 0.6, 1e-12);
  EXPECT_THAT(search.edges, ElementsAre("train.learning_rate=0.009"));
  // Trials are no rows, neither of the suite nor of the folder.
  const std::vector<ComparisonRow> rows = compare(suite, stored);
  ASSERT_EQ(rows.size(), 1u);
  ASSERT_TRUE(rows[0].search);
  EXPECT_EQ(rows[0].search->chosen, 1u);
  EXPECT_EQ(compare(stored).size(), 1u);
  EXPECT_EQ(count_trials(stored), 3u);
}

// Of a halved search each trial counts with its last run; scores of unequal steps make no curve.
TEST(SearchResults, OfHalvingHaveTheLastRung) {
  StoredRuns stored;
  stored.runs = {run_of("a", 0.5, 1), run_of("b", 0.7, 2), run_of("b2", 0.8, 2)};
  SuiteManifest suite{"s"};
  suite.searches = {{"low", "lora", "movies", "t5", "sobol", 1, 2, 2, Json::object(), 2}};
  suite.trials = {cell_of("a", 1, 1e-3), cell_of("b", 2, 2e-3), cell_of("b2", 2, 2e-3, 1)};
  const SearchResult search = search_results(suite, stored).front();
  ASSERT_EQ(search.trials.size(), 2u);
  EXPECT_EQ(search.trials[1].run, "b2");
  EXPECT_EQ(search.trials[1].score, 0.8);
  EXPECT_THAT(search.expected_best, IsEmpty());
}

TEST(TrialScore, IsOfValidationAlone) {
  EXPECT_EQ(trial_score(run_of("a", 0.5, 1).record()), 0.5);
  EXPECT_EQ(trial_score(run_of("a", 0.5, 1, "test").record()), std::nullopt);
  RunRecord failed = run_of("a", 0.5, 1).record();
  EXPECT_TRUE(is_settled(failed));
  failed.status = "failed";
  EXPECT_EQ(trial_score(failed), std::nullopt);
  EXPECT_FALSE(is_settled(failed));
  failed.message = "training diverged\n  found: a loss of nan";
  EXPECT_TRUE(is_settled(failed));
}

}  // namespace
}  // namespace peftbench::search_results_test
