#include "config/search_space.h"
#include "config/run_config.h"
#include "core/write_files.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <set>

namespace peftbench::search_space_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Sources : public ConfigSources {
 public:
  const SettingsBlock& settings(const fs::path& file) override { return last_ = read_settings(file); }
  bool has_task(const std::string& name) override { return name == "movies"; }
  std::vector<std::string> names() override { return {"movies", "nano"}; }
  std::vector<std::string> aliases() override { return {}; }
  std::string name_of_task(const std::string&) override { return {}; }
  std::string name_of_backbone(const std::string&) override { return {}; }

 private:
  SettingsBlock last_;
};

class SpaceOfARun : public testing::Test {
 protected:
  SpaceOfARun() {
    fs::create_directories(folder_ / "methods");
    write_atomically(folder_ / "defaults.yaml", "task: movies\nbackbone: nano\n");
    schema_.param("rank", 8, "").range(1, 64).space(space::log(2, 64)).param("init", "a", "").choices({"a", "b", "c"});
    request_.method = "low";
  }
  ~SpaceOfARun() override { fs::remove_all(folder_); }

  RunConfig resolve() { return resolve_config(request_, schema_, folder_, sources_); }
  std::string space() { return to_json(resolve().space).dump(); }
  std::string fault(const std::string& set) {
    request_.settings = {parse_set(set)};
    try {
      resolve();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  }
  void layer(std::vector<Setting> settings) { request_.layers.push_back({std::move(settings), {}}); }

  fs::path folder_ = fs::temp_directory_path() / ("peftbench-space-" + std::to_string(::getpid()));
  Sources sources_;
  MethodSchema schema_;
  ConfigRequest request_;
};

TEST_F(SpaceOfARun, IsThePluginsAndThatOfTheLearningRate) {
  request_.layers = {};
  write_atomically(folder_ / "methods" / "low.yaml", "train: {learning_rate: 0.003}\n");
  EXPECT_EQ(space(), R"({"rank":{"log":[2.0,64.0]},"train.learning_rate":{"log":[0.0003,0.03]}})");
  schema_.space("train.learning_rate", space::log(1e-4, 1e-1));
  EXPECT_EQ(space(), R"({"rank":{"log":[2.0,64.0]},"train.learning_rate":{"log":[0.0001,0.1]}})");
}

TEST_F(SpaceOfARun, FilesChangeItByConditionsToo) {
  write_atomically(folder_ / "methods" / "low.yaml",
                   "space: {rank: none, init: {choices: [a, b]}}\n"
                   "on: {nano: {space: {train.learning_rate: {log: [1e-3, 1e-2]}}}}\n");
  EXPECT_EQ(space(), R"({"init":{"choices":["a","b"]},"train.learning_rate":{"log":[0.001,0.01]}})");
  write_atomically(folder_ / "methods" / "low.yaml", "space: none\n");
  EXPECT_THAT(resolve().space, IsEmpty());
}

TEST_F(SpaceOfARun, WhatARowGivesAValueIsNotSearched) {
  layer({{"set.rank", "4", "row"}});
  EXPECT_EQ(resolve().space.size(), 1u);
  layer({{"train.learning_rate", "0.5", "row"}});
  EXPECT_THAT(resolve().space, IsEmpty());
  request_.layers.clear();
  layer({{"space.rank.choices", Names{"4", "8"}, "row"}, {"set.rank", "4", "row"}});
  EXPECT_THAT(space(), HasSubstr(R"("rank":{"choices":["4","8"]})"));
  EXPECT_EQ(resolve().values.integer("rank"), 4);
  request_.settings = {parse_set("rank=2")};
  EXPECT_EQ(resolve().space.size(), 1u);
  request_.settings = {parse_set("space.rank.choices=2,4,8")};
  EXPECT_THAT(space(), HasSubstr(R"("rank":{"choices":["2","4","8"]})"));
}

TEST_F(SpaceOfARun, RefusesWhatIsNone) {
  EXPECT_THAT(fault("space.rnak.choices=2,4"), HasSubstr("did you mean 'rank'"));
  EXPECT_THAT(fault("space.eval.beams.choices=1,4"), HasSubstr("'eval.beams' cannot be searched"));
  EXPECT_THAT(fault("space.rank.log=2"), HasSubstr("is not an interval"));
  EXPECT_THAT(fault("space.rank.log=2,x"), HasSubstr("is not an interval"));
  EXPECT_THAT(fault("space.rank.log=2,128"), HasSubstr("invalid space of 'rank'"));
  EXPECT_THAT(fault("space.rank.grid=2,4"), HasSubstr("is not a space to search"));
  EXPECT_THAT(fault("space.rank=4"), HasSubstr("is not a space to search"));
  EXPECT_THAT(fault("space.train.learning_rate.log=0,1"), HasSubstr("must be above 0"));
  EXPECT_THAT(fault("space.none=none"), HasSubstr("cannot be searched"));
}

// Runs without a search keep their ids.
TEST_F(SpaceOfARun, IsNoPartOfTheConfiguration) {
  const std::string before = to_json(resolve()).dump();
  request_.settings = {parse_set("space.rank.choices=2,4")};
  EXPECT_EQ(to_json(resolve()).dump(), before);
  EXPECT_THAT(before, testing::Not(HasSubstr("search")));
  request_.settings = {parse_set("search.trial=3")};
  EXPECT_EQ(resolve().trial, 3);
  EXPECT_EQ(to_json(resolve()).at("search").at("trial"), 3);
  EXPECT_THAT(fault("search.trial=-1"), HasSubstr("search.trial"));
}

std::vector<std::string> texts(const std::vector<Setting>& settings) {
  std::vector<std::string> result;
  for (const Setting& setting : settings) result.push_back(text_of(setting));
  return result;
}

TEST_F(SpaceOfARun, TrialsAreAFunctionOfSpaceSamplerSeedAndNumber) {
  const SearchSpace space = resolve().space;
  EXPECT_THAT(trial_settings(space, Sampler::sobol, 1, 1), IsEmpty());
  for (const Sampler sampler : {Sampler::sobol, Sampler::random}) {
    std::vector<std::string> all;
    for (std::int64_t number = 2; number <= 9; ++number) {
      const auto settings = trial_settings(space, sampler, 1, number);
      EXPECT_EQ(texts(settings), texts(trial_settings(space, sampler, 1, number)));
      ASSERT_EQ(settings.size(), 2u);
      EXPECT_EQ(settings[0].key, "set.rank");
      EXPECT_EQ(settings[1].key, "train.learning_rate");
      request_.settings = settings;
      const RunConfig config = resolve();
      EXPECT_GE(config.values.integer("rank"), 2);
      EXPECT_LE(config.values.integer("rank"), 64);
      all.push_back(testing::PrintToString(texts(settings)));
    }
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
    EXPECT_NE(texts(trial_settings(space, sampler, 1, 2)), texts(trial_settings(space, sampler, 2, 2)));
  }
  EXPECT_NE(texts(trial_settings(space, Sampler::sobol, 1, 2)), texts(trial_settings(space, Sampler::random, 1, 2)));
}

}  // namespace
}  // namespace peftbench::search_space_test
