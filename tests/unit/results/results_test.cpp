#include "core/files.h"
#include "results/result_store.h"
#include "results/run_record.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <set>

namespace peftbench::results_test {

using namespace layers;

namespace {

using testing::HasSubstr;
using testing::Not;

RunRecord sample() {
  RunRecord r;
  r.id = "prompt_tuning-movies-s1-0123456789";
  r.status = "finished";
  r.started = utc_now();
  r.method.name = "prompt_tuning";
  r.method.values = {{"length", 20}};
  r.task.name = "movies";
  r.task.test = 600;
  r.backbone.parameters = 9180928;
  r.seed = 18446744073709551615u;
  r.config = {{"seed", 1}};
  r.ledger = {{"trained", 5120}};
  r.sites = {"encoder.input"};
  r.training.steps = 50;
  r.training.loss_before = 4.25;
  r.metrics = {{"test", "accuracy", 0.75, 600, Interval{0.71, 0.78}, 0.5, "good"},
               {"test", "macro_f1", 0.7, 600, {}, {}}};
  r.phases = {{"train", 2.5, 4.5, 1000, true}, {"evaluate", 1.5, 2.0, 2000, false}};
  r.warnings = {"one"};
  return r;
}

class Runs : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("peftbench-results-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST(RunRecord, ComesBackFromItsJson) {
  const RunRecord record = sample();
  const Json json = to_json(record);
  const RunRecord again = record_from_json(Json::parse(json.dump()), "here");
  EXPECT_EQ(to_json(again), json);
  EXPECT_EQ(again.seed, 18446744073709551615u);
  EXPECT_FALSE(again.training.loss_after.has_value());
  EXPECT_DOUBLE_EQ(again.wall_seconds(), 4.0);
  EXPECT_EQ(again.peak_memory_bytes(), 2000);
  EXPECT_EQ(again.score()->name, "accuracy");
}

TEST(RunRecord, HoldsTheScoresOfSeveralTasks) {
  RunRecord record = sample();
  TaskScore own{"movies", "movies.tsv", "ab", "de", true, 0.25, 900, 100, {{"test", "accuracy", 0.5, 100, {}, 0.4}}};
  own.majority_label = "good";
  own.illegal_rate = 0.125;
  TaskScore other{"glue/rte", "rte", "cd", "", false, {}, 10, 20, {{"validation", "f1", 0.5, 20, Interval{0, 1}, {}}}};
  other.loss = 1.5;
  other.predictions = "predictions-glue-rte.jsonl";
  record.tasks = {own, other};
  const Json json = to_json(record);
  const RunRecord again = record_from_json(Json::parse(json.dump()), "here");
  EXPECT_EQ(to_json(again), json);
  EXPECT_EQ(again.tasks.at(0).rate, 0.25);
  EXPECT_EQ(again.tasks.at(0).definition, "de");
  EXPECT_EQ(again.tasks.at(0).majority_label, "good");
  EXPECT_FALSE(again.tasks.at(1).rate.has_value());
  EXPECT_EQ(again.tasks.at(1).metrics.at(0).split, "validation");
  EXPECT_EQ(RunFolder{"runs/a"}.predictions("glue/rte"), fs::path("runs/a/predictions-glue%2Frte.jsonl"));
  Json older = json;
  older.erase("tasks");
  EXPECT_TRUE(record_from_json(older, "here").tasks.empty());
}

TEST(RunRecord, TellsWhatItWasMadeWith) {
  RunRecord record = sample();
  record.program = {"0.1.0", "2.13.0", "0123abcd", false};
  record.machine = {"a processor", 2, 8, 4, 1 << 30, "Linux 6.1 x86_64", "GCC 12.2.0"};
  const RunRecord again = record_from_json(Json::parse(to_json(record).dump()), "here");
  EXPECT_EQ(to_json(again), to_json(record));
  EXPECT_EQ(again.program.clean, false);
  EXPECT_EQ(again.machine.usable_cores, 4);
}

// They were written by earlier versions of the program, under the same schema version.
TEST(RunRecord, OlderRecordsLackSomeFields) {
  const Json json = to_json(sample());
  Json older = json;
  for (const char* key : {"answers", "labels", "confusion", "texts", "tasks"}) older.erase(key);
  for (const char* key : {"commit", "clean"}) older["program"].erase(key);
  for (const char* key : {"cores", "usable_cores", "memory_bytes", "kernel", "compiler"}) older["machine"].erase(key);
  for (const char* key : {"file", "labels"}) older["task"].erase(key);
  for (const char* key : {"quantization", "bytes"}) older["backbone"].erase(key);
  const RunRecord record = record_from_json(older, "here");
  EXPECT_FALSE(record.program.commit);
  EXPECT_FALSE(record.machine.cores);
  EXPECT_EQ(to_json(record), json);  // with what is not known
}

TEST(RunRecord, RefusesAnotherSchemaAndMissingFields) {
  Json json = to_json(sample());
  json["schema_version"] = 99;
  EXPECT_THROW(
      try { record_from_json(json, "a/record.json"); } catch (const DataError& error) {
        EXPECT_THAT(error.what(), HasSubstr("a/record.json"));
        EXPECT_THAT(error.what(), HasSubstr("99"));
        throw;
      },
      DataError);
  json = to_json(sample());
  json["backbone"].erase("parameters");
  EXPECT_THROW(record_from_json(json, "x"), DataError);
}

TEST(RunRecord, AnUndefinedNumberIsNull) {
  RunRecord record = sample();
  record.metrics[0].value = std::numeric_limits<double>::quiet_NaN();
  const RunRecord again = record_from_json(Json::parse(to_json(record).dump()), "here");
  EXPECT_TRUE(std::isnan(again.metrics[0].value));
}

// hostile 4: JSON has no NaN, so every number that can be one is read from null.
TEST(RunRecord, EveryNumberThatIsUndefinedComesBackAsSuch) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  RunRecord record = sample();
  record.metrics[0].interval = Interval{nan, infinite};
  record.metrics[0].majority = nan;
  record.training.loss_before = infinite;
  record.illegal_rate = nan;
  record.phases[0].wall_seconds = nan;
  record.ledger["percent"] = nan;
  TaskScore task;
  task.metrics = {{"test", "f1", infinite, 1, Interval{nan, nan}, nan}};
  task.loss = task.rate = task.illegal_rate = nan;
  record.tasks = {task};
  const RunRecord again = record_from_json(Json::parse(to_json(record).dump()), "here");
  EXPECT_TRUE(std::isnan(again.metrics[0].interval->low));
  EXPECT_TRUE(std::isnan(again.metrics[0].interval->high));
  EXPECT_FALSE(again.metrics[0].majority);
  EXPECT_FALSE(again.training.loss_before);
  EXPECT_TRUE(std::isnan(again.tasks[0].metrics[0].value));
  EXPECT_FALSE(again.tasks[0].loss);
}

// hostile 19
TEST(RunRecord, ANumberThatAFieldCannotHoldIsDamage) {
  const Json good = to_json(sample());
  const std::vector<std::pair<std::string, Json>> faults = {{"/seed", -1},
                                                            {"/seed", 1.5},
                                                            {"/machine/threads", 99999999999},
                                                            {"/training/steps", 18446744073709551615u},
                                                            {"/training/steps", 1e300},
                                                            {"/task/test", "600"},
                                                            {"/metrics/0/n", true},
                                                            {"/backbone/bytes", 1e19},
                                                            {"/schema_version", 4294967297}};
  for (const auto& [place, value] : faults) {
    Json json = good;
    json[Json::json_pointer(place)] = value;
    EXPECT_THROW(record_from_json(json, "x"), DataError) << place << " " << value;
  }
}

TEST_F(Runs, AreWrittenAndFound) {
  const ResultStore store(folder_);
  EXPECT_FALSE(store.find(sample().id).has_value());
  store.write(sample());
  EXPECT_EQ(to_json(*store.find(sample().id)), to_json(sample()));
  const fs::path expected = store.folder_of(sample().id).path;
  EXPECT_EQ(find_run(sample().id, folder_).path, expected);
  EXPECT_EQ(find_run("prompt_tuning-mov", folder_).path, expected);
  EXPECT_EQ(find_run((expected / "record.json").string(), "elsewhere").path, expected);
  EXPECT_THROW(
      try { find_run("prompt_tuning-movies-s1-0123456788", folder_); } catch (const DataError& error) {
        EXPECT_THAT(error.what(), HasSubstr("did you mean"));
        throw;
      },
      DataError);
}

TEST_F(Runs, ADamagedRecordIsNamed) {
  fs::create_directories(folder_ / "x");
  write_atomically(folder_ / "x" / "record.json", "{\"schema_version\": 1");
  EXPECT_THROW(
      try { ResultStore(folder_).find("x"); } catch (const DamagedRecord& error) {
        EXPECT_THAT(error.what(), HasSubstr("record.json is not a run record"));
        EXPECT_THAT(error.what(), Not(HasSubstr("delete")));  // hostile 6: the run would go on
        throw;
      },
      DataError);
}

// S5
TEST_F(Runs, AFolderWithTheRecordOfAnotherRunIsNotThatRun) {
  const ResultStore store(folder_);
  store.write(sample());
  fs::rename(store.folder_of(sample().id).path, folder_ / "other-run-s1-0");
  EXPECT_THROW(
      try { store.find("other-run-s1-0"); } catch (const DataError& error) {
        EXPECT_THAT(error.what(), HasSubstr(sample().id));
        throw;
      },
      DataError);
}

// S28
TEST(RunFolderTest, FilesOfTwoTasksNeverMeet) {
  const RunFolder folder{"runs/one"};
  std::set<fs::path> files = {folder.predictions()};
  const std::vector<std::string> tasks = {"x-y", "x/y", "x%2Fy", "x%y", "x--y", "x/-y", "x-/y"};
  for (const std::string& task : tasks) files.insert(folder.predictions(task));
  EXPECT_EQ(files.size(), tasks.size() + 1);
  for (const fs::path& file : files) EXPECT_EQ(file.parent_path(), folder.path);
  EXPECT_EQ(folder.predictions("kinds").filename(), "predictions-kinds.jsonl");
}

}  // namespace
}  // namespace peftbench::results_test
