#include "results/published.h"
#include "support/layers.h"
#include "support/program.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::published_test {

using namespace layers;

namespace {

using testing::HasSubstr;
using testing_support::Scratch;

class PublishedFile : public testing::Test {
 protected:
  std::vector<PublishedScore> read(const std::string& text) const {
    return read_published(scratch_.write("scores.yaml", text));
  }
  std::string refusal(const std::string& text) const {
    try {
      read(text);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  }

  Scratch scratch_;
};

TEST_F(PublishedFile, HasValuesOfEachEntryOrOfAll) {
  const auto scores = read(
      "citation: \"A paper: table 1\"\nbackbone: T5 XXL\nscores:\n"
      "  - {method: prompt tuning, task: films, metric: accuracy, score: 0.95}\n"
      "  - {method: ia3, task: films, metric: accuracy, score: 0.5, backbone: T0, citation: Another}\n");
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_EQ(scores[0].method, "prompt tuning");
  EXPECT_EQ(scores[0].backbone, "T5 XXL");
  EXPECT_EQ(scores[0].citation, "A paper: table 1");
  EXPECT_DOUBLE_EQ(scores[0].score, 0.95);
  EXPECT_EQ(scores[1].backbone, "T0");
  EXPECT_EQ(scores[1].citation, "Another");
}

TEST_F(PublishedFile, WhatCannotStandInATableIsRefused) {
  const std::string head = "backbone: T5\ncitation: A\nscores:\n  - ";
  EXPECT_THAT(refusal(head + "{method: a, task: films, metric: f1, score: 93.2}\n"), HasSubstr("divide a score"));
  EXPECT_THAT(refusal(head + "{method: a, task: films, metric: f1, score: .nan}\n"), HasSubstr("scores.yaml:4"));
  EXPECT_THAT(refusal(head + "{method: a, task: films, score: 0.5}\n"), HasSubstr("metric"));
  EXPECT_THAT(refusal(head + "{method: a, task: films, metric: f1, score: 0.5, year: 1}\n"), HasSubstr("year"));
  EXPECT_THAT(refusal("scores: [{method: a, task: films, metric: f1, score: 0.5, backbone: x}]\n"),
              HasSubstr("citation"));
  const std::string twice = "{method: a, task: films, metric: f1, score: 0.5}";
  EXPECT_THAT(refusal(head + twice + "\n  - " + twice + "\n"), HasSubstr("duplicate entry"));
}

}  // namespace
}  // namespace peftbench::published_test
