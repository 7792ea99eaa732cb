#include "data/task/metric_names.h"
#include "support/layers.h"

#include "data/prepared/text_list.h"
#include "data_fixture.h"

#include <memory>
#include <set>

namespace peftbench::metric_names_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::HasSubstr;

using MetricNamesTest = DataTest;

constexpr const char* rest = "source: a.csv\ninput: '{a}'\ntarget: '{b}'\n";

TEST_F(MetricNamesTest, OfATaskThatAreWrongAreToldWithTheirLine) {
  const auto error = [&](const std::string& more) { return config_error(rest + more); };
  EXPECT_THAT(error("labels: [x, y]\nmetrics: [accuracy,\n  acuracy]\n"),
              AllOf(HasSubstr("task.yaml:6: unknown metric"), HasSubstr("did you mean 'accuracy'?")));
  EXPECT_THAT(error("metrics: accuracy\n"), AllOf(HasSubstr(":4: "), HasSubstr("needs label words"),
                                                  HasSubstr("free text"), HasSubstr("exact_match")));
  EXPECT_THAT(error("labels: [x, y, z]\nmetrics: [f1]\n"),
              AllOf(HasSubstr(":5: "), HasSubstr("two label words"), HasSubstr("3 label words: x, y, z")));
  EXPECT_THAT(error("labels: [x, y]\nmetrics: [wsc_simple]\n"), HasSubstr("scores free text"));
  EXPECT_THAT(error("labels: [x, y]\nmetrics: [mean, accuracy]\n"), HasSubstr("two other metrics"));
  EXPECT_THAT(error("metrics: [squad_em, squad_em]\n"), HasSubstr("is listed twice"));
  EXPECT_EQ(task(std::string(rest) + "labels: [x, y]\nmetrics: [mean, f1, accuracy]\n").metrics.size(), 3u);
}

TEST_F(MetricNamesTest, TheTableIsWhole) {
  std::set<std::string> names;
  for (const MetricInfo& metric : metric_table()) {
    EXPECT_TRUE(names.emplace(metric.name).second) << metric.name;
    EXPECT_NE(metric.summary, "") << metric.name;
    EXPECT_EQ(find_metric(metric.name), &metric);
  }
  EXPECT_EQ(find_metric("f2"), nullptr);
  EXPECT_TRUE(find_metric(mean_metric));
}

TEST_F(MetricNamesTest, WhatExamplesLackIsToldWithTheirPlace) {
  const auto fault = [&](std::vector<std::string> metrics, const TextExample& second) {
    TaskConfig config;
    config.name = "mine";
    config.metrics = std::move(metrics);
    const TextExample whole{{}, "3.5", 1, {}, "q1"};
    const TextList list(
        std::make_shared<const TextsInMemory>(std::vector<StoredText>{{whole, "a:2"}, {second, "a:3"}}));
    return message<DataError>([&] { check_metric_needs(config, list); });
  };
  EXPECT_THAT(fault({"em"}, {{}, "x", 1, {}, ""}), AllOf(HasSubstr("a:3: "), HasSubstr("'em'"), HasSubstr("'group'")));
  EXPECT_THAT(fault({"mean", "pearson"}, {{}, "much", -1, {}, ""}), AllOf(HasSubstr("a:3: "), HasSubstr("'much'")));
  EXPECT_THAT(fault({"wsc_simple"}, {{}, "x", -1, {}, ""}), AllOf(HasSubstr("a:3: "), HasSubstr("0 or 1")));
  EXPECT_THAT(fault({"accuracy", "squad_f1"}, {{}, "x", -1, {}, ""}), HasSubstr("nothing was thrown"));
}

TEST(Numbers, AreReadAsAWhole) {
  EXPECT_EQ(number_of(" 3.4\n"), 3.4);
  EXPECT_EQ(number_of("-1e-2"), -0.01);
  EXPECT_EQ(number_of("+5"), 5);
  EXPECT_EQ(number_of(".5"), 0.5);
  for (const char* text : {"", " ", "3,4", "3.4.1", "four", "nan", "inf", "-infinity", "1e999", "+-3", "--3", "0x10"})
    EXPECT_FALSE(number_of(text)) << text;
}

}  // namespace
}  // namespace peftbench::metric_names_test
