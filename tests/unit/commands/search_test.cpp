#include "commands/search.h"
#include "commands/search_suite.h"
#include "commands/suite_spec.h"
#include "core/write_files.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace peftbench::search_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::pair<std::int64_t, std::int64_t>> rungs(std::int64_t trials, std::int64_t halving,
                                                         std::int64_t steps) {
  std::vector<std::pair<std::int64_t, std::int64_t>> result;
  for (const Rung& rung : rungs_of({trials, Sampler::sobol, 1, halving}, steps))
    result.emplace_back(rung.trials, rung.steps);
  return result;
}

TEST(Halving, EndsWithAllStepsForTheLastFew) {
  using R = std::vector<std::pair<std::int64_t, std::int64_t>>;
  EXPECT_EQ(rungs(8, 0, 200), (R{{8, 200}}));
  EXPECT_EQ(rungs(8, 2, 200), (R{{8, 50}, {4, 100}, {2, 200}}));
  EXPECT_EQ(rungs(16, 4, 200), (R{{16, 50}, {4, 200}}));
  EXPECT_EQ(rungs(9, 4, 200), (R{{9, 50}, {3, 200}}));
  EXPECT_EQ(rungs(4, 4, 200), (R{{4, 200}}));
  EXPECT_EQ(rungs(1, 2, 200), (R{{1, 200}}));
  EXPECT_EQ(rungs(64, 2, 4).front(), (std::pair<std::int64_t, std::int64_t>(64, 1)));
  EXPECT_EQ(rungs(8, 2, 0), (R{{8, 0}, {4, 0}, {2, 0}}));
}

TEST(Halving, TheBestGoOn) {
  EXPECT_THAT(best_trials({0.5, {}, 0.7, 0.7, 0.1}, 2), ElementsAre(2u, 3u));
  EXPECT_THAT(best_trials({0.5, {}, 0.7}, 5), ElementsAre(2u, 0u));
  EXPECT_THAT(best_trials({{}, {}}, 1), IsEmpty());
}

TEST(Search, TrialsAreScoredOnValidationExamplesAlone) {
  std::vector<std::string> texts;
  for (const Setting& setting : settings_of_trial({8, Sampler::sobol, 3, 0}, 5)) texts.push_back(text_of(setting));
  EXPECT_THAT(texts,
              ElementsAre("eval.split=validation", "eval.tasks=", "eval.label_map=", "seed=1003", "search.trial=5"));
}

class SearchFile : public testing::Test {
 protected:
  SearchFile() { fs::create_directories(folder_); }
  ~SearchFile() override { fs::remove_all(folder_); }
  std::string fault(const std::string& search, const std::string& rest = "rows: [{method: lora}]\n") const {
    write_atomically(folder_ / "mine.yaml", "search: " + search + "\n" + rest);
    try {
      read_suite((folder_ / "mine.yaml").string(), folder_);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  }
  fs::path folder_ = fs::temp_directory_path() / ("peftbench-search-" + std::to_string(::getpid()));
};

TEST_F(SearchFile, IsReadFromASuite) {
  EXPECT_EQ(fault("{trials: 4}"), "accepted");
  write_atomically(folder_ / "mine.yaml",
                   "search: {trials: 16, sampler: random, seed: 7, halving: 4}\nrows: [{method: lora}]\n");
  const SearchSpec search = read_suite((folder_ / "mine.yaml").string(), folder_).search.value();
  EXPECT_EQ(search.trials, 16);
  EXPECT_EQ(search.sampler, Sampler::random);
  EXPECT_EQ(search.seed, 7u);
  EXPECT_EQ(search.halving, 4);
  EXPECT_EQ(search.training_seed(), 1007u);
  EXPECT_THAT(fault("4"), HasSubstr("mine.yaml:1: 'search' is not a map"));
  EXPECT_THAT(fault("{sampler: sobol}"), HasSubstr("'trials'"));
  EXPECT_THAT(fault("{trials: 0}"), HasSubstr("invalid number of trials"));
  EXPECT_THAT(fault("{trials: 4, sampler: grid}"), HasSubstr("unknown sampler 'grid'"));
  EXPECT_THAT(fault("{trials: 4, seed: -1}"), HasSubstr("cannot be negative"));
  EXPECT_THAT(fault("{trials: 4, halving: 1}"), HasSubstr("invalid halving"));
  EXPECT_THAT(fault("{trials: 4, budget: 9}"), HasSubstr("unknown key 'budget'"));
  EXPECT_THAT(fault("{trials: 4}", "seeds: [1, 1001]\nrows: [{method: lora}]\n"), HasSubstr("seed 1001"));
  EXPECT_THAT(fault("{trials: 4}", "rows: [{method: lora, search: {trial: 3}}]\n"), HasSubstr("cannot be set"));
}

// What `search` writes is the suite that it runs.
TEST_F(SearchFile, OfTheCommandReadsBack) {
  SearchRequest request;
  request.method = "lora";
  request.task = "glue/cola";
  request.search = {4, Sampler::random, 2, 2};
  request.seeds = {1, 2};
  request.out = folder_;
  request.threads = 2;
  const SuiteSpec made = search_suite(request);
  EXPECT_EQ(made.name, "search-lora-cola");
  EXPECT_EQ(made.file, folder_ / "search-lora-cola.suite" / "search-lora-cola.yaml");
  fs::create_directories(made.file.parent_path());
  write_atomically(made.file, text_of_suite(made));
  const SuiteSpec read = read_suite(made.file.string(), folder_);
  EXPECT_EQ(read.name, made.name);
  EXPECT_EQ(read.tasks, made.tasks);
  EXPECT_EQ(read.backbones, made.backbones);
  EXPECT_EQ(read.seeds, made.seeds);
  EXPECT_EQ(read.rows.size(), 1u);
  EXPECT_EQ(read.rows[0].method, "lora");
  ASSERT_EQ(read.defaults.settings.size(), 1u);
  EXPECT_EQ(text_of(read.defaults.settings[0]), "threads=2");
  EXPECT_EQ(read.search->trials, 4);
  EXPECT_EQ(read.search->sampler, Sampler::random);
  EXPECT_EQ(read.search->seed, 2u);
  EXPECT_EQ(read.search->halving, 2);
}

}  // namespace
}  // namespace peftbench::search_test
