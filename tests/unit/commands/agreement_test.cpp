#include "commands/agreement.h"
#include "core/hash.h"
#include "support/layers.h"
#include "support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::agreement_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::Scratch;

TEST(Agreement, IsTheMeanOverAllPairs) {
  EXPECT_DOUBLE_EQ(mean_agreement({{"a", "b"}, {"a", "b"}}).value(), 1);
  // 1/2, 0 and 1/2 of two examples.
  EXPECT_DOUBLE_EQ(mean_agreement({{"a", "b"}, {"a", "c"}, {"d", "c"}}).value(), 1.0 / 3);
  EXPECT_FALSE(mean_agreement({{"a", "b"}}));
  EXPECT_FALSE(mean_agreement({}));
  EXPECT_FALSE(mean_agreement({{}, {}}));
  EXPECT_FALSE(mean_agreement({{"a"}, {"a", "b"}}));
}

class AgreementOfRuns : public testing::Test {
 protected:
  void add(int seed, const std::string& lines) {
    RunRecord record;
    record.id = "run-" + std::to_string(seed);
    record.status = "finished";
    record.method.name = "lora";
    record.task.name = "films";
    record.task.labels = {"bad", "good"};
    record.backbone.name = "t5";
    record.seed = static_cast<std::uint64_t>(seed);
    record.config = {{"seed", seed}};
    scratch_.write(record.id + "/predictions.jsonl", lines);
    record.predictions_hash = sha256(lines);
    const RunFolder folder{scratch_.path() / record.id};
    const std::string id = record.id, status = record.status;
    stored_.runs.push_back({id, status, folder, {}, pack(std::move(record), shared_)});
  }
  static std::string line(int index, const std::string& answer) {
    return "{\"index\": " + std::to_string(index) + ", \"prediction\": \"" + answer + "\", \"target\": \"good\"}\n";
  }
  std::vector<std::string> fill_in() {
    rows_ = compare(stored_);
    return add_agreement(rows_, stored_);
  }

  Scratch scratch_;
  SharedBytes shared_;
  StoredRuns stored_;
  std::vector<ComparisonRow> rows_;
};

TEST_F(AgreementOfRuns, ReadsTheirPredictions) {
  add(1, line(0, "good") + line(1, "bad") + line(2, "neither"));
  add(2, line(0, "good") + line(1, "good") + line(2, "neither"));
  EXPECT_THAT(fill_in(), IsEmpty());
  ASSERT_EQ(rows_.size(), 1u);
  EXPECT_DOUBLE_EQ(rows_[0].agreement.value(), 2.0 / 3);
}

TEST_F(AgreementOfRuns, IsAbsentWhereAFileIsMissingChangedOrOfOtherExamples) {
  add(1, line(0, "good") + line(1, "bad"));
  add(2, line(0, "good") + line(2, "bad"));
  EXPECT_THAT(fill_in(), ElementsAre(HasSubstr("different examples")));
  EXPECT_FALSE(rows_[0].agreement);
  scratch_.write("run-2/predictions.jsonl", line(0, "good") + line(1, "bad"));
  EXPECT_THAT(fill_in(), ElementsAre(HasSubstr("was changed after the run")));
  EXPECT_FALSE(rows_[0].agreement);
  fs::remove(scratch_.path() / "run-2/predictions.jsonl");
  EXPECT_THAT(fill_in(), ElementsAre(HasSubstr("there is no file")));
  EXPECT_FALSE(rows_[0].agreement);
}

}  // namespace
}  // namespace peftbench::agreement_test
