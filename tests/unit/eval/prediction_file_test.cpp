#include "eval/prediction_file.h"
#include "support/layers.h"

#include "core/random.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace peftbench::prediction_file_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class PredictionFileTest : public testing::Test {
 protected:
  ~PredictionFileTest() override { fs::remove(file_); }
  std::vector<Prediction> read(const std::string& text, const std::vector<std::string>& labels = {}) const {
    fs::remove(file_);  // a new file is not flushed to the disk at once, a truncated one is
    std::ofstream(file_, std::ios::binary) << text;
    return read_predictions(file_, labels).predictions;
  }
  std::string fault(const std::string& text, const std::vector<std::string>& labels = {}) const {
    try {
      read(text, labels);
    } catch (const DataError& error) {
      return error.what();
    }
    return "nothing was thrown";
  }
  const fs::path file_ = fs::temp_directory_path() / ("peftbench-predictions-" + std::to_string(::getpid()) + ".jsonl");
};

TEST_F(PredictionFileTest, WhatIsWrittenIsRead) {
  const Prediction whole{0, "The \"cat\"\n", 1, "cat", 0, true, {"cat", "a cat"}, "7/1", "cat", true};
  const Prediction plain{1, "", -1, "größer", -1};
  const auto read_back = read(to_json(whole).dump() + "\n\n" + to_json(plain).dump() + "\r\n");
  ASSERT_EQ(read_back.size(), 2u);
  EXPECT_EQ(read_back[0].prediction, whole.prediction);
  EXPECT_EQ(read_back[0].label, 1);
  EXPECT_EQ(read_back[0].target_label, 0);
  EXPECT_THAT(read_back[0].references, ElementsAre("cat", "a cat"));
  EXPECT_EQ(read_back[0].group, "7/1");
  EXPECT_EQ(read_back[1].target, "größer");
  EXPECT_EQ(read_back[1].index, 1);
  EXPECT_TRUE(read_back[1].references.empty());
}

// eval.keep_inputs decides which; another program's may be anything.
TEST_F(PredictionFileTest, LinesMayHoldTheirInputsOrNot) {
  const std::string rest = R"("prediction": "a", "target": "b"})";
  const auto found = read("{" + rest + "\n{\"input\": \"\\u0000 the text\", " + rest + "\n{\"input_hash\": \"12ab\", " +
                          rest + "\n{\"input\": [1, {}], " + rest + "\n{\"input\": null, " + rest);
  ASSERT_EQ(found.size(), 5u);
  for (const Prediction& prediction : found) EXPECT_EQ(prediction.prediction, "a");
}

TEST_F(PredictionFileTest, LabelsAreFoundAmongTheWords) {
  const auto found = read(R"({"prediction": "bad", "target": "good"})"
                          "\n"
                          R"({"prediction": "awful", "target": "bad"})"
                          "\n"
                          R"({"prediction": "whatever", "label": 1, "target": "bad"})",
                          {"bad", "good"});
  EXPECT_EQ(found[0].label, 0);
  EXPECT_EQ(found[0].target_label, 1);
  EXPECT_EQ(found[1].label, -1);
  EXPECT_EQ(found[2].label, 1);
}

TEST_F(PredictionFileTest, SaysWhichLineIsWrong) {
  const std::string good = R"({"prediction": "a", "target": "b"})";
  EXPECT_THAT(fault(good + "\n{\"prediction\": "), AllOf(HasSubstr(".jsonl:2: not JSON"), HasSubstr("on each line")));
  EXPECT_THAT(fault("[1]"), HasSubstr(":1: not a prediction"));
  EXPECT_THAT(fault(R"({"target": "b"})"), AllOf(HasSubstr("'prediction' is missing"), HasSubstr("the fields target")));
  EXPECT_THAT(fault(R"({"prediction": 3, "target": "b"})"), HasSubstr("'prediction' is not a string"));
  EXPECT_THAT(fault(R"({"prediction": "a", "target": "b", "references": "c"})"), HasSubstr("not a list of strings"));
  EXPECT_THAT(fault(R"({"prediction": "a", "target": "b", "label": 2})", {"b", "c"}), HasSubstr("-1 (none) to 1"));
  EXPECT_THAT(fault(R"({"prediction": "a", "target": "b", "target_label": -2})"), HasSubstr("is not a label"));
  EXPECT_THAT(
      fault(R"({"prediction": "a", "target": "b", "target_label": 0})", {"a", "b"}),
      AllOf(HasSubstr("'target_label' does not match the target"), HasSubstr("0 for 'b'"), HasSubstr("1, its index")));
  EXPECT_THAT(fault(good, {"x", "y"}), HasSubstr("the target is not a label word"));
  EXPECT_THAT(fault(" \n"), HasSubstr("contains no predictions"));
}

// S14: a file with examples twice doubles n and narrows the interval.
TEST_F(PredictionFileTest, AnExampleStandsOnce) {
  const auto line = [](const std::string& more) { return R"({"prediction": "a", "target": "b")" + more + "}\n"; };
  EXPECT_EQ(read(line(R"(, "index": 1)") + line(R"(, "index": 0)")).size(), 2u);
  EXPECT_EQ(read(line("") + line("")).size(), 2u);  // nothing says that they are one example
  EXPECT_EQ(read(line(R"(, "index": 1, "task": "x")") + line(R"(, "index": 1, "task": "y")")).size(), 2u);
  EXPECT_THAT(fault(line(R"(, "index": 4)") + line(R"(, "index": 1)") + "\n" + line(R"(, "index": 4)")),
              AllOf(HasSubstr(".jsonl:4: duplicate example"), HasSubstr("index 4, as on line 1")));
  EXPECT_THAT(fault(line(R"(, "index": 2, "task": "x")") + line(R"(, "index": 2, "task": "x")")),
              HasSubstr("of task x"));
  for (const char* index : {"-1", "1.5", "\"1\"", "18446744073709551615", "1e3", "null"})
    EXPECT_THAT(fault(line(std::string(R"(, "index": )") + index)), HasSubstr("'index' is not a valid")) << index;
}

// hostile 19
TEST_F(PredictionFileTest, ALabelOutOfRangeDoesNotWrap) {
  for (const char* label : {"18446744073709551615", "4294967295", "4294967296", "-2", "-18446744073709551615", "1e0",
                            "99999999999999999999", "-9223372036854775809"})
    for (const char* key : {"label", "target_label"})
      EXPECT_THAT(fault(std::string(R"({"prediction": "a", "target": "b", ")") + key + "\": " + label + "}"),
                  HasSubstr("is not a label"))
          << label;
}

// hostile 2: an error of the disk must not look like the end of the file. Reading /proc/self/mem at 0 is one.
TEST_F(PredictionFileTest, AFileThatCannotBeReadIsAnError) {
  EXPECT_THROW(read_predictions("/proc/self/mem", {}), DataError);
  EXPECT_THROW(read_predictions("/nonexistent/file.jsonl", {}), DataError);
  EXPECT_THROW(read_predictions("/dev/zero", {}), DataError);
}

TEST_F(PredictionFileTest, MutilatedFilesArePredictionsOrDataErrors) {
  Random random(3);
  const std::string line = to_json(Prediction{3, "a 'b'", 1, "c", 0, false, {"c", "d"}, "g"}).dump();
  int read_well = 0;
  for (int round = 0; round < 500; ++round) {
    std::string text = line;
    for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
      const std::size_t at = random.below(text.size());
      if (random.below(2) == 0)
        text.erase(at, 1 + random.below(4));
      else
        text.insert(at, 1, "{}[]:,\"\n-19\xff"[random.below(12)]);
    }
    try {
      read_well += read(text).empty() ? 0 : 1;
    } catch (const DataError&) {
    }
  }
  EXPECT_GT(read_well, 20);
}

TEST_F(PredictionFileTest, MetricsSayWhatIsMissing) {
  const auto lacking = [&](const std::vector<std::string>& metrics, const Prediction& p) -> std::string {
    try {
      check_scorable({"mine.jsonl", {p}, {7}}, metrics);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  };
  const Prediction p{4, "x", 1, "y", -1};
  EXPECT_THAT(lacking({"accuracy", "em"}, p), AllOf(HasSubstr("mine.jsonl"), HasSubstr("'em'"), HasSubstr("'group'")));
  EXPECT_THAT(lacking({"pearson"}, p),
              AllOf(HasSubstr("mine.jsonl:7: "), HasSubstr("target 'y'"), HasSubstr("a number")));
  EXPECT_THAT(lacking({"wsc_simple"}, p), HasSubstr("'target_label'"));
  EXPECT_EQ(lacking({"squad_f1", "exact_match"}, p), "");
}

TEST_F(PredictionFileTest, LinesAreThoseOfTheFile) {
  const std::string good = R"({"prediction": "1", "target": "2"})", bad = R"({"prediction": "1", "target": "two"})";
  read("\n \n" + good + "\n\n" + bad + "\n");
  try {
    check_scorable(read_predictions(file_, {}), {"pearson"});
    FAIL() << "nothing was thrown";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr(file_.string() + ":5: the metric 'pearson'"), HasSubstr("'two'")));
  }
}

}  // namespace
}  // namespace peftbench::prediction_file_test
