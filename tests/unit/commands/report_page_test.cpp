#include "commands/report_page.h"
#include "commands/page_answers.h"
#include "core/hash.h"
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace peftbench::report_page_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::Scratch;

TEST(TellingExamples, ServeEveryPairFirst) {
  // Rows 0 and 1 differ in examples 0 to 2, row 2 from both in 4 alone.
  const std::vector<std::vector<std::string>> answers = {
      {"a", "a", "a", "x", "y", "x"}, {"b", "b", "b", "x", "y", "x"}, {"a", "a", "a", "x", "z", "x"}};
  EXPECT_THAT(telling_examples(answers, 1, 10), ElementsAre(0u, 4u));
  EXPECT_THAT(telling_examples(answers, 2, 10), ElementsAre(0u, 4u, 1u));
  EXPECT_THAT(telling_examples(answers, 2, 1), ElementsAre(0u));
  EXPECT_THAT(telling_examples({}, 2, 1), IsEmpty());
}

class PageOfRuns : public testing::Test {
 protected:
  void add(const std::string& method, std::uint64_t seed, const std::string& lines, const std::string& log = "") {
    RunRecord record;
    record.id = method + "-" + std::to_string(seed);
    record.status = "finished";
    record.method.name = method;
    record.task.name = "films";
    record.task.labels = {"bad", "good"};
    record.backbone.name = "t5";
    record.backbone.parameters = 8'000'000;
    record.ledger = {{"trained", 100}, {"percent", 0.5}, {"added_encoder_length", 20}};
    record.seed = seed;
    record.config = {{"seed", seed}, {"method", method}};
    MetricRecord metric;
    metric.split = "test";
    metric.name = "accuracy";
    metric.value = 0.5;
    metric.n = 3;
    record.metrics = {metric};
    scratch_.write(record.id + "/predictions.jsonl", lines);
    if (!log.empty()) scratch_.write(record.id + "/log.jsonl", log);
    record.predictions_hash = sha256(lines);
    const RunFolder folder{scratch_.path() / record.id};
    const std::string id = record.id, status = record.status;
    stored_.runs.push_back({id, status, folder, {}, pack(std::move(record), shared_)});
    std::sort(stored_.runs.begin(), stored_.runs.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  }
  static std::string line(int index, const std::string& answer, const std::string& more = "") {
    return "{\"index\": " + std::to_string(index) + R"(, "origin": "films.tsv:)" + std::to_string(index + 1) +
           R"(", "prediction": ")" + answer + R"(", "target": "good")" + more + "}\n";
  }
  PageData gather() {
    PageRequest request;
    request.rows = compare(stored_);
    request.home = scratch_.path() / "home";
    return gather_page(std::move(request), stored_, silent_progress());
  }

  Scratch scratch_;
  SharedBytes shared_;
  StoredRuns stored_;
};

TEST_F(PageOfRuns, HasCurvesAnswersAndSizes) {
  const std::string text = R"(, "input": "a </script> film")", hash = R"(, "input_hash": "0123")";
  add("ia3", 1, line(0, "good", hash) + line(1, "bad", hash),
      R"({"event":"step","step":5,"loss":1})"
      "\n{\"event\":\"st");
  add("lora", 2, line(0, "good"));
  add("lora", 1, line(1, "good", text) + line(0, "good", text));  // in another order
  const PageData data = gather();
  ASSERT_THAT(data.rows, SizeIs(2));
  ASSERT_THAT(data.curves, SizeIs(1));
  EXPECT_THAT(data.curves[0].curve.loss, SizeIs(1));
  EXPECT_EQ(data.facts[0].backbone_size, 8e6);
  EXPECT_EQ(data.facts[0].added_length, 20);
  EXPECT_EQ(data.facts[0].trained_share, 0.005);
  ASSERT_THAT(data.answers, SizeIs(1));
  const TableAnswers& answers = data.answers[0];
  EXPECT_THAT(answers.seeds, ElementsAre(1u, 1u));
  EXPECT_EQ(answers.examples, 2);
  ASSERT_THAT(answers.pairs, SizeIs(1));
  EXPECT_EQ(answers.pairs[0].differ, 1);
  EXPECT_EQ(answers.pairs[0].only_a + answers.pairs[0].only_b, 1);
  ASSERT_THAT(answers.shown, SizeIs(1));
  EXPECT_EQ(answers.shown[0].place, "films.tsv:2");
  EXPECT_EQ(answers.shown[0].input, "a </script> film");
  EXPECT_FALSE(data.library);
}

TEST_F(PageOfRuns, LeavesOutAnswersThatAreNotAsRecorded) {
  add("ia3", 1, line(0, "good"));
  add("lora", 1, line(0, "bad"));
  scratch_.write("lora-1/record.json", to_json(stored_.runs[1].record()).dump());
  scratch_.write("lora-1/predictions.jsonl", line(0, "good"));
  const PageData data = gather();
  EXPECT_THAT(data.answers, IsEmpty());
  EXPECT_THAT(data.notes, ElementsAre(HasSubstr("answers of lora on films are not shown")));
}

TEST_F(PageOfRuns, FindsThePlotLibrary) {
  add("ia3", 1, line(0, "good"));
  for (const char* file : {"d3.min.js", "plot.umd.min.js", "LICENSES"})
    scratch_.write(std::string("home/plot/") + file, file);
  ASSERT_TRUE(gather().library);
  EXPECT_EQ(gather().library->plot, "plot.umd.min.js");
}

TEST_F(PageOfRuns, WritesFigures) {
  add("ia3", 1, line(0, "good"));
  add("lora", 1, line(0, "bad"));
  EXPECT_GT(write_figures(gather(), scratch_.path() / "figures"), 0u);
  EXPECT_TRUE(file_exists(scratch_.path() / "figures" / "score-trained-films-on-t5.svg"));
  EXPECT_THROW(write_figures({}, scratch_.path() / "none"), DataError);
}

}  // namespace
}  // namespace peftbench::report_page_test
