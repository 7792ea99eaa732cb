// The page of `report --format html`; tests/page clicks on it.
#include "page/sample_rows.h"
#include "report/page/costs.h"
#include "report/page/page_figures.h"
#include "report/page/page_json.h"
#include "report/page/render_page.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace peftbench::page_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

PlotLibrary library() { return {"var d3 = {};\r\n", "var Plot = 'é';", "Copyright <someone>\n\nPermission"}; }

TEST(ScriptHash, IsThatOfAPolicy) {
  EXPECT_EQ(script_hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
  EXPECT_EQ(script_hash("abc"), "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='");
}

TEST(Page, RunsItsOwnScriptsAlone) {
  PageData data = sample_page(1, 4, 2);
  data.library = library();
  const std::string page = render_page(data);
  EXPECT_THAT(page,
              AllOf(HasSubstr("content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-"),
                    HasSubstr("; base-uri 'none'; form-action 'none'\""), HasSubstr(script_hash("var d3 = {};\n")),
                    HasSubstr("<script>var d3 = {};\n</script>"), HasSubstr(script_hash("var Plot = 'é';")),
                    HasSubstr("Copyright &lt;someone&gt;\n\nPermission")));
  EXPECT_EQ(count_of(page, "<script>"), 3u);
  EXPECT_EQ(count_of(page, "<script"), 4u);  // and the data
  EXPECT_EQ(count_of(page, "</script"), 4u);
  EXPECT_THAT(page, AllOf(Not(HasSubstr("https://")), Not(HasSubstr("unsafe-eval")), Not(HasSubstr("alert(1)</"))));
}

TEST(Page, WithoutTheLibrarySaysHowToGetIt) {
  const std::string page = render_page(sample_page(1, 4, 2));
  EXPECT_EQ(count_of(page, "<script>"), 1u);
  EXPECT_THAT(page, HasSubstr("which <code>tools/setup.sh</code> fetches"));
}

TEST(Page, RefusesAScriptThatWouldEndEarly) {
  PageData data = sample_page(1, 2, 1);
  data.library = library();
  data.library->plot = "'</script>'";
  EXPECT_THROW(render_page(data), Error);
}

TEST(Page, OfNoRunsIsAPage) {
  EXPECT_THAT(render_page({}), AllOf(HasSubstr("<h2>Tables</h2>"), Not(HasSubstr("id=\"costs\""))));
}

TEST(Page, OfAThousandRunsIsSmall) {
  const auto size = [](PageData data) {
    data.library =
        PlotLibrary{std::string(280'000, ' '), std::string(210'000, ' '), "licence"};  // as large as they are
    return render_page(data).size();
  };
  EXPECT_LT(size(sample_page(8, 25, 5)), 1'000'000u);
  EXPECT_LT(size(sample_page(2, 500, 1)), 1'000'000u);
  EXPECT_LT(size(sample_page(40, 5, 5)), 1'000'000u);
}

TEST(PageJson, CannotEndItsElement) {
  const std::string text = script_json({{"a", "</script><!-- \u2028\u2029 & é"}});
  EXPECT_EQ(text, R"({"a":"\u003c/script\u003e\u003c!-- \u2028\u2029 \u0026 é"})");
}

TEST(PageJson, HoldsEveryRowAndTheTestsOfTheBest) {
  const PageData data = sample_page(1, 30, 1);
  PageLimits limits;
  limits.pairs = 45;
  const Json json = page_json(data, limits);
  EXPECT_EQ(json.at("rows").at("label").size(), 30u);
  EXPECT_EQ(json.at("pairs").size(), 45u);
  ASSERT_EQ(json.at("matrix").at(0).size(), 10u);
  const auto best = json.at("matrix").at(0).at(0).get<std::size_t>();
  for (const ComparisonRow& row : data.rows) EXPECT_LE(row.score.mean, data.rows[best].score.mean);
  EXPECT_EQ(json.at("costs").at(0).at("values").at(1), 0);
}

TEST(Figures, HaveDistinctNames) {
  PageData data = sample_page(2, 5, 2);
  data.rows[5].task = "movie sentiment";
  for (std::size_t r = 5; r < data.rows.size(); ++r) data.rows[r].task = data.rows[5].task;
  std::set<std::string> names;
  for (const Figure& figure : figures(data, SvgUse::file)) {
    EXPECT_TRUE(names.insert(figure.name).second) << figure.name;
    EXPECT_EQ(figure.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), std::string::npos) << figure.name;
  }
  EXPECT_THAT(names, testing::Contains("score-trained-movie-sentiment-on-t5-nano-lm"));
}

TEST(ParetoFront, IsWhatNoOtherBeats) {
  std::vector<std::size_t> rows;
  for (const CostPoint& point :
       pareto_front({{10, 0.5, 0}, {1, 0.4, 1}, {10, 0.6, 2}, {20, 0.6, 3}, {0, 0.1, 4}, {5, 0.3, 5}}))
    rows.push_back(point.row);
  EXPECT_THAT(rows, ElementsAre(4u, 1u, 2u));
}

TEST(RowGroups, AreTablesWithoutUnreadableRecords) {
  std::vector<ComparisonRow> rows(4);
  rows[0].task = rows[2].task = "films";
  rows[1].task = "spam";
  const std::vector<RowGroup> groups = row_groups(rows);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_THAT(groups[0].rows, ElementsAre(0u, 2u));
}

}  // namespace
}  // namespace peftbench::page_test
