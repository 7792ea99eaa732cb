// S19: a failure that an average hides.
#include "eval/label_report.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::label_report_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Prediction answer(int label, int target) { return {0, "", label, "", target}; }

TEST(LabelReportTest, CountsEachLabel) {
  const LabelReport report =
      label_report({answer(0, 0), answer(0, 0), answer(1, 0), answer(-1, 0), answer(1, 1), answer(0, 1), answer(0, 2)},
                   {"a", "b", "c", "d"});
  ASSERT_EQ(report.labels.size(), 4u);
  EXPECT_EQ(report.labels[0].targets, 4);
  EXPECT_EQ(report.labels[0].answers, 4);
  EXPECT_EQ(report.labels[0].precision(), 0.5);
  EXPECT_EQ(report.labels[0].recall(), 0.5);
  EXPECT_EQ(report.labels[1].f1(), 2.0 * 1 / (2 + 2));
  EXPECT_EQ(report.labels[2].precision(), std::nullopt);
  EXPECT_EQ(report.labels[2].recall(), 0.0);
  EXPECT_EQ(report.labels[3].f1(), std::nullopt);
  EXPECT_THAT(report.confusion, ElementsAre(ElementsAre(2, 1, 0, 0, 1), ElementsAre(1, 1, 0, 0, 0),
                                            ElementsAre(1, 0, 0, 0, 0), ElementsAre(0, 0, 0, 0, 0)));
  EXPECT_THAT(label_remarks(report, "test "),
              ElementsAre(HasSubstr("never answers 'c' (target of 1 of 7 test examples)"),
                          HasSubstr("no test example of 'd'")));
  const auto json = labels_json(report);
  EXPECT_EQ(json.at(0).at("label"), "a");
  EXPECT_TRUE(json.at(2).at("precision").is_null());
}

TEST(LabelReportTest, IsEmptyForFreeTextAndBoundedForManyLabels) {
  EXPECT_THAT(label_report({answer(-1, -1)}, {}).labels, IsEmpty());
  std::vector<std::string> many;
  for (std::size_t i = 0; i <= most_confused; ++i) many.push_back(std::to_string(i));
  const LabelReport report = label_report({answer(3, 3)}, many);
  EXPECT_THAT(report.confusion, IsEmpty());
  EXPECT_EQ(report.labels[3].hits, 1);
}

}  // namespace
}  // namespace peftbench::label_report_test
