#include "results/every_eval_ever.h"
#include "results/scored_tasks.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace peftbench::every_eval_ever_test {

using namespace layers;

namespace {

using testing::HasSubstr;

RunRecord finished_run() {
  RunRecord r;
  r.id = "lora-films-s1-0123456789";
  r.status = "finished";
  r.started = "2026-12-01T22:00:00Z";
  r.ended = "2026-12-01T22:35:46Z";
  r.program = {"0.1.0", "2.13.0", "abc", true};
  r.method.name = "lora";
  r.method.values = {{"rank", 8}, {"sites", {"q", "v"}}};
  r.task.name = "films";
  r.task.source = "/data/films.tsv";
  r.task.hash = "f00d";
  r.task.majority_label = "good";
  r.backbone.name = "t5-nano-lm";
  r.backbone.parameters = 1000;
  r.ledger = {{"trained", 10}, {"percent", nullptr}};
  r.config = {{"eval", {{"mode", "greedy"}, {"tasks", Json::array()}}}};
  r.answers = "generated";
  r.metrics = {{"test", "accuracy", 0.75, 40, Interval{0.6, 0.86}, 0.5},
               {"test", "matthews", std::numeric_limits<double>::quiet_NaN(), 40, {}, {}}};
  return r;
}

// All values of the format's free objects are strings.
void expect_strings(const Json& object) {
  for (const auto& [key, value] : object.items()) EXPECT_TRUE(value.is_string()) << key;
}

TEST(EveryEvalEver, ARunIsItsScoresWithTheirIntervals) {
  const Json json = every_eval_ever(finished_run());
  EXPECT_EQ(json.at("schema_version"), "0.3.0");
  EXPECT_EQ(json.at("evaluation_id"), "films/peft-bench/lora-films-s1-0123456789/1796164546");
  EXPECT_EQ(json.at("retrieved_timestamp"), "1796164546");
  ASSERT_EQ(json.at("evaluation_results").size(), 1u);  // not the one that is undefined
  const Json& result = json.at("evaluation_results").at(0);
  EXPECT_EQ(result.at("evaluation_result_id"), "films/test/accuracy");
  EXPECT_EQ(result.at("score_details").at("score"), 0.75);
  EXPECT_EQ(result.at("score_details").at("uncertainty").at("confidence_interval").at("upper"), 0.86);
  EXPECT_EQ(result.at("score_details").at("details").at("best_constant_answer"), "good");
  EXPECT_EQ(result.at("metric_config").at("min_score"), 0);
  EXPECT_EQ(result.at("source_data").at("source_type"), "other");
  expect_strings(result.at("source_data").at("additional_details"));
  expect_strings(result.at("generation_config").at("additional_details"));
  expect_strings(json.at("model_info").at("additional_details"));
  EXPECT_EQ(json.at("model_info").at("additional_details").at("method.rank"), "8");
  EXPECT_FALSE(json.at("model_info").at("additional_details").contains("parameters_percent"));
  EXPECT_EQ(every_eval_ever(finished_run()).dump(), json.dump());
}

TEST(EveryEvalEver, EachTaskHasItsSource) {
  RunRecord record = finished_run();
  record.tasks.push_back({.task = "boolq",
                          .source = "/c/hub/datasets--aps--super_glue/snapshots/3de2/boolq/validation/0000.parquet",
                          .metrics = {{"validation", "matthews", -0.25, 20, {}, {}}}});
  const Json json = every_eval_ever(record);
  const Json& other = json.at("evaluation_results").at(1);
  EXPECT_EQ(other.at("evaluation_name"), "boolq");
  EXPECT_EQ(other.at("source_data").at("hf_repo"), "aps/super_glue");
  EXPECT_EQ(other.at("source_data").at("additional_details").at("revision"), "3de2");
  EXPECT_EQ(other.at("metric_config").at("min_score"), -1);
  EXPECT_FALSE(other.at("score_details").at("uncertainty").contains("confidence_interval"));
}

TEST(EveryEvalEver, NeedsAFinishedRunWithAScore) {
  RunRecord record = finished_run();
  record.metrics.erase(record.metrics.begin());
  EXPECT_THROW(every_eval_ever(record), DataError);
  record = finished_run();
  record.status = "failed";
  try {
    every_eval_ever(record);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("status failed"));
  }
}

TEST(HubDatasets, AreKnownByTheirPlaceInTheCache) {
  const auto found = hub_dataset("/c/datasets--glue/snapshots/12ab/data/train.parquet");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, "glue");
  EXPECT_EQ(found->revision, "12ab");
  EXPECT_EQ(found->config, "default");
  EXPECT_EQ(hub_dataset("/c/datasets--a--b/snapshots/12ab/train.csv")->config, "default");
  for (const char* other : {"", "/data/films.tsv", "/c/datasets--a--b/blobs/12", "/c/models--a--b/snapshots/1/x",
                            "/c/datasets--a--b/snapshots"})
    EXPECT_FALSE(hub_dataset(other)) << other;
}

}  // namespace
}  // namespace peftbench::every_eval_ever_test
