// The forms for papers and browsers.
#include "report/render.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::render_page_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* hostile = "[50%_a & <b title=\"x\" id='y'>\\end{table} #1 ${x}^~|--";

Table page_table() {
  Table table({{"method", Align::left, "label"},
               {"score", Align::right, "score_mean", 1},
               {"steps", Align::right, "steps", 2}});
  table.title = "films on t5: accuracy";
  table.add({"lora", Cell("0.750 ± 0.071", 0.75), count_cell(1200)});
  table.add({hostile, Cell(), Cell("1–2", Json::array({1, 2}))});
  table.rows[0][1].best = true;
  table.notes = {{"* without a score", {hostile, "second"}}};
  return table;
}

const std::string hostile_latex =
    "{[}50\\%\\_a \\& \\textless{}b title=\\symbol{34}x\\symbol{34} "
    "id='y'\\textgreater{}\\textbackslash{}end\\{table\\} "
    "\\#1 \\$\\{x\\}\\textasciicircum{}\\textasciitilde{}\\textbar{}-{}-";
const std::string hostile_html = "[50%_a &amp; &lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;\\end{table} #1 ${x}^~|--";

TEST(RenderLatex, IsATableOfBooktabs) {
  const std::string text = render_latex({page_table()});
  EXPECT_THAT(text, StartsWith("% Made by peft-bench. Needs \\usepackage{booktabs}"));
  EXPECT_THAT(text, HasSubstr("\n\n\\begin{table}\n  \\centering\n  \\footnotesize\n  \\setlength{\\tabcolsep}{4pt}\n"
                              "  \\setlength{\\belowcaptionskip}{6pt}\n"
                              "  \\caption{films on t5: accuracy}\n  \\label{tab:films-on-t5}\n"
                              "  \\begin{tabular}{lrr}\n    \\toprule\n    method & score & steps \\\\\n    \\midrule\n"
                              "    lora & \\textbf{0.750 ± 0.071} & 1,200 \\\\\n    " +
                              hostile_latex +
                              " & – & 1–2 \\\\\n    \\bottomrule\n  \\end{tabular}\n"
                              "  \\par\\medskip\n  \\begin{minipage}{\\linewidth}\n    \\raggedright\n"
                              "    {*} Without a score:\\par\n    \\textbullet{} " +
                              hostile_latex +
                              "\\par\n    \\textbullet{} second\\par\n"
                              "  \\end{minipage}\n\\end{table}\n"));
}

TEST(RenderLatex, AWideTableComesInItsPartsWithTheNotesBelowTheLast) {
  Table table = page_table();
  table.rows[1][0] = Cell(std::string(90, 'x'));
  const std::string text = render_latex({table});
  EXPECT_THAT(text, AllOf(HasSubstr("\\caption{films on t5: accuracy (part 1 of 2)}\n  \\label{tab:films-on-t5}\n"
                                    "  \\begin{tabular}{lr}\n    \\toprule\n    method & score \\\\\n"),
                          HasSubstr("\\caption{films on t5: accuracy (part 2 of 2)}\n"
                                    "  \\label{tab:films-on-t5-part-2}\n"
                                    "  \\begin{tabular}{lr}\n    \\toprule\n    method & steps \\\\\n")));
  EXPECT_EQ(text.find("minipage"), text.find("minipage", text.find("part 2 of 2")));
}

TEST(RenderLatex, LabelsAreDistinctAndPlain) {
  Table table = page_table();
  table.title = "}\\input{x} é: y";
  Table untitled = page_table();
  untitled.title.clear();
  const std::string text = render_latex({table, table, untitled});
  EXPECT_THAT(text, AllOf(HasSubstr("\\label{tab:input-x}\n"), HasSubstr("\\label{tab:input-x-2}\n"),
                          HasSubstr("\\caption{\\}\\textbackslash{}input\\{x\\} é: y}\n"),
                          Not(HasSubstr("\\caption{}")), Not(HasSubstr("tab:scores"))));
}

TEST(RenderLatex, TablesWithoutRowsOrColumns) {
  EXPECT_THAT(render_latex({Table({"method", right_column("score")})}),
              HasSubstr("    method & score \\\\\n    \\midrule\n    \\bottomrule\n"));
  Table notes;
  notes.title = "records";
  notes.notes = {{"", {"a: damaged"}}};
  const std::string text = render_latex({notes});
  EXPECT_THAT(text, AllOf(HasSubstr("\\caption{records}"), HasSubstr("\\textbullet{} a: damaged\\par\n"),
                          Not(HasSubstr("tabular}"))));
  EXPECT_THAT(render_latex({}), Not(HasSubstr("\\begin")));
}

TEST(RenderHtml, IsOnePageThatAsksForNothing) {
  const std::string text = render_html({page_table()}, "runs & <more>");
  EXPECT_THAT(text, StartsWith("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                               "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                               "'unsafe-inline'\">\n"));
  EXPECT_THAT(text, AllOf(HasSubstr("<title>runs &amp; &lt;more&gt;</title>"), HasSubstr("prefers-color-scheme: dark"),
                          HasSubstr("overflow-x: auto"), Not(HasSubstr("<script")), Not(HasSubstr("http://")),
                          Not(HasSubstr("https://"))));
  EXPECT_THAT(text, HasSubstr("<caption>films on t5: accuracy</caption>\n<thead>\n"
                              "<tr><th scope=\"col\" class=\"text\">method</th><th scope=\"col\">score</th>"
                              "<th scope=\"col\">steps</th></tr>\n</thead>\n<tbody>\n"
                              "<tr><th scope=\"row\">lora</th><td><strong>0.750 ± 0.071</strong>"
                              "<td>1,200</tr>\n<tr><th scope=\"row\">" +
                              hostile_html +
                              "</th><td>–<td>1–2</tr>\n"
                              "</tbody>\n</table>\n</div>\n"
                              "<div class=\"notes\">\n<p>* Without a score:</p>\n<ul>\n<li>" +
                              hostile_html + "</li>\n<li>second</li>\n</ul>\n</div>\n</section>\n</body>\n</html>\n"));
}

TEST(RenderHtml, TablesWithoutRowsOrColumns) {
  EXPECT_THAT(render_html({Table({"method"})}, "x"),
              AllOf(HasSubstr("aria-label=\"table\""), HasSubstr("<tbody>\n</tbody>"), Not(HasSubstr("<caption>"))));
  Table notes;
  notes.title = hostile;
  notes.notes = {{"", {"a: damaged"}}};
  EXPECT_THAT(render_html({notes}, "x"),
              AllOf(HasSubstr("<h2>" + hostile_html + "</h2>\n<div class=\"notes\">\n<ul>\n<li>a: damaged</li>\n</ul>"),
                    Not(HasSubstr("<table>"))));
}

// Emphasis belongs to the two: the bytes of the other forms do not depend on it.
TEST(RenderPage, OtherFormsDoNotShowTheBest) {
  Table plain = page_table();
  plain.rows[0][1].best = false;
  EXPECT_EQ(render_text(page_table()), render_text(plain));
  EXPECT_EQ(render_markdown(page_table()), render_markdown(plain));
  EXPECT_EQ(render_csv(page_table()), render_csv(plain));
  EXPECT_EQ(render_json(page_table()), render_json(plain));
}

}  // namespace
}  // namespace peftbench::render_page_test
