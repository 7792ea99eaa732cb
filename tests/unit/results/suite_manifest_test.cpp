#include "results/suite_manifest.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

namespace peftbench::suite_manifest_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Manifest : public testing::Test {
 protected:
  Manifest() { fs::create_directories(folder_); }
  ~Manifest() override { fs::remove_all(folder_); }
  static SuiteManifest of_seed(std::uint64_t seed, const std::string& message = "") {
    const std::string run = "lora-s" + std::to_string(seed);
    return {"mine", {{"row", "lora", "movies", "t5", seed, run, message, {}}}, {{"/a/mine.yaml", {}, {seed}, 2}}};
  }
  fs::path folder_ = fs::temp_directory_path() / ("peftbench-manifest-" + std::to_string(::getpid()));
};

// S21: commands for different seeds do not overwrite one another.
TEST_F(Manifest, EachCommandAddsItsCells) {
  EXPECT_FALSE(find_manifest(folder_, "mine"));
  add_to_manifest(folder_, of_seed(1, "killed"));
  add_to_manifest(folder_, of_seed(2));
  SuiteManifest both = find_manifest(folder_, "mine").value();
  ASSERT_EQ(both.cells.size(), 2u);
  EXPECT_EQ(both.commands.size(), 2u);
  EXPECT_THAT(both.commands.back().seeds, ElementsAre(2u));
  EXPECT_EQ(both.commands.back().threads, 2);
  add_to_manifest(folder_, of_seed(1));  // the same command again
  both = find_manifest(folder_, "mine").value();
  ASSERT_EQ(both.cells.size(), 2u);
  EXPECT_EQ(both.commands.size(), 2u);
  EXPECT_THAT(both.commands.back().seeds, ElementsAre(1u));
  for (const SuiteCell& cell : both.cells) EXPECT_EQ(cell.message, "");
}

// A row's search is replaced as a whole, that of another row stays.
TEST_F(Manifest, KeepsSearchesWithTheirTrials) {
  const auto searched = [](const std::string& row, std::int64_t trials) {
    SuiteManifest manifest = of_seed(1);
    manifest.searches = {
        {row, "lora", "movies", "t5", "sobol", 3, trials, 2, {{"rank", {{"choices", {"4", "8"}}}}}, 2}};
    for (std::int64_t trial = 1; trial <= trials; ++trial) {
      manifest.trials.push_back({row, "lora", "movies", "t5", 1003, row + std::to_string(trial), "", {}});
      manifest.trials.back().trial = trial;
      manifest.trials.back().rung = 1;
      manifest.trials.back().values = {{"rank", 8}};
    }
    return manifest;
  };
  add_to_manifest(folder_, searched("low", 4));
  add_to_manifest(folder_, searched("wide", 2));
  add_to_manifest(folder_, searched("low", 3));
  const SuiteManifest read = find_manifest(folder_, "mine").value();
  ASSERT_EQ(read.searches.size(), 2u);
  EXPECT_EQ(read.searches[0].row, "low");
  EXPECT_EQ(read.searches[0].trials, 3);
  EXPECT_EQ(read.searches[0].halving, 2);
  EXPECT_EQ(read.searches[0].seed, 3u);
  EXPECT_EQ(read.searches[0].chosen, 2);
  EXPECT_EQ(read.searches[0].space.dump(), R"({"rank":{"choices":["4","8"]}})");
  ASSERT_EQ(read.trials.size(), 5u);
  EXPECT_EQ(read.trials[2].trial, 3);
  EXPECT_EQ(read.trials[2].rung, 1);
  EXPECT_EQ(read.trials[2].values.dump(), R"({"rank":8})");
  EXPECT_EQ(read.cells[0].trial, 0);
}

TEST_F(Manifest, ProcessesAtOnceLoseNothing) {
  std::vector<pid_t> children;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    for (int i = 0; i < 5; ++i) add_to_manifest(folder_, of_seed(seed));
    ::_exit(0);
  }
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  EXPECT_EQ(find_manifest(folder_, "mine")->cells.size(), 8u);
  EXPECT_EQ(find_manifest(folder_, "mine")->commands.size(), 8u);
}

TEST_F(Manifest, ADamagedOneIsNamedAndWrittenAnew) {
  fs::create_directories(suite_folder(folder_, "mine"));
  write_atomically(suite_folder(folder_, "mine") / "suite.json", "{");
  try {
    find_manifest(folder_, "mine");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("suite.json"));
  }
  add_to_manifest(folder_, of_seed(1));
  EXPECT_EQ(find_manifest(folder_, "mine")->cells.size(), 1u);
}

}  // namespace
}  // namespace peftbench::suite_manifest_test
