// The scales and the SVGs of plots.
#include "report/figures/svg.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace peftbench::figures_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> labels_of(const Scale& scale) {
  std::vector<std::string> labels;
  for (const Tick& tick : scale.ticks()) labels.push_back(tick.label);
  return labels;
}

TEST(Scale, LinearTicksAreRound) {
  const Scale scale({"x", false}, {0, 100}, 0, 500);
  EXPECT_THAT(labels_of(scale), ElementsAre("0", "20", "40", "60", "80", "100"));
  EXPECT_LT(scale.at(0), scale.at(100));
  EXPECT_THAT(labels_of(Scale({"x", false}, {0.71, 0.78}, 0, 500)), ElementsAre("0.72", "0.74", "0.76", "0.78"));
}

TEST(Scale, LogarithmicTicksArePowersAndZeroHasAPlace) {
  EXPECT_THAT(labels_of(Scale({"x", true}, {100, 1e6}, 0, 500)), ElementsAre("100", "1k", "10k", "100k", "1M"));
  const Scale zero({"x", true}, {0, 1000, 1e6}, 0, 500);
  EXPECT_EQ(labels_of(zero).front(), "0");
  EXPECT_LT(zero.at(0), zero.at(1000) - 10);
  EXPECT_GE(zero.at(0), 0);
}

TEST(Scale, OfOneValueOrNoneHasTicksInside) {
  for (const bool log : {false, true})
    for (const std::vector<double>& values : {std::vector<double>{}, {0.0}, {5.0}, {1e-7}, {8.25e5}}) {
      const Scale scale({"x", log}, values, 0, 100);
      const std::vector<Tick> ticks = scale.ticks();
      ASSERT_GE(ticks.size(), 2u);
      for (const Tick& tick : ticks) {
        EXPECT_GE(scale.at(tick.value), -0.01) << tick.label;
        EXPECT_LE(scale.at(tick.value), 100.01) << tick.label;
      }
    }
}

TEST(ShortNumber, HasFewDigits) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(0.25), "0.25");
  EXPECT_EQ(short_number(1500), "1.5k");
  EXPECT_EQ(short_number(999.99), "1k");
  EXPECT_EQ(short_number(3e7), "30M");
  EXPECT_EQ(short_number(2.5e12), "2.5T");
}

XyPlot plot() {
  XyPlot plot;
  plot.title = "films </title><script>x</script>";
  plot.description = "a & b";
  plot.x = {"steps", false};
  plot.y = {"score \"x\"", false};
  PlotSeries series;
  series.name = "<b>lora</b>";
  series.line = true;
  series.data = {{0, 0.5, Interval{0.4, 0.6}, "lo\x01ra"}, {10, 0.75, {}, {}}, {20, std::nan(""), {}, {}}};
  plot.series.push_back(series);
  return plot;
}

TEST(Svg, IsTextWhateverItIsNamed) {
  const std::string text = svg(plot(), SvgUse::file);
  EXPECT_THAT(text,
              StartsWith("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_THAT(text, AllOf(HasSubstr("<title>films &lt;/title&gt;&lt;script&gt;x&lt;/script&gt;</title>"),
                          HasSubstr("<desc>a &amp; b</desc>"), HasSubstr(">&lt;b&gt;lora&lt;/b&gt;</text>"),
                          HasSubstr("prefers-color-scheme:dark"), HasSubstr("lo\\x01ra")));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("nan")), Not(HasSubstr("inf"))));
}

TEST(Svg, InAPageHasNoStyleOfItsOwn) {
  const std::string text = svg(plot(), SvgUse::page);
  EXPECT_THAT(text, AllOf(StartsWith("<svg "), Not(HasSubstr("<style"))));
}

TEST(Svg, WithoutPointsIsAnEmptyPlot) {
  XyPlot empty;
  PlotSeries series;
  series.data = {{std::numeric_limits<double>::infinity(), 1, {}, {}}};
  empty.series.push_back(series);
  EXPECT_THAT(svg(empty, SvgUse::file), Not(HasSubstr("inf")));
}

TEST(SvgMatrix, ShowsBothSidesOfAPair) {
  MatrixPlot matrix;
  matrix.title = "pairs";
  matrix.rows = {"a<b", "c"};
  matrix.squares = {{0, 1, 0.125, true}, {1, 0, -0.125, true}};
  const std::string text = svg(matrix, SvgUse::file);
  EXPECT_THAT(text, AllOf(HasSubstr("1  a&lt;b</text>"), HasSubstr(">+.125*</text>"), HasSubstr(">-.125*</text>"),
                          HasSubstr("class=\"d0\""), HasSubstr("class=\"d6\"")));
}

}  // namespace
}  // namespace peftbench::figures_test
