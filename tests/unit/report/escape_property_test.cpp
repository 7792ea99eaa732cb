// Names are text in every form of a table, whatever they hold: random names of hostile pieces.
#include "core/numbers.h"
#include "core/terminal_text.h"
#include "core/utf8.h"
#include "report/escape.h"
#include "support/layers.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>

namespace peftbench::escape_property_test {

using namespace layers;

namespace {

const std::vector<std::string>& pieces() {
  static const std::vector<std::string> all = {"a",
                                               "Z",
                                               "7",
                                               "-",
                                               "+",
                                               "=",
                                               "@",
                                               "\t",
                                               "\r",
                                               "\n",
                                               " ",
                                               ",",
                                               ";",
                                               "\"",
                                               "'",
                                               "|",
                                               "`",
                                               "``",
                                               "\\",
                                               "*",
                                               "**",
                                               "_",
                                               "#",
                                               "[",
                                               "]",
                                               "(",
                                               ")",
                                               "<",
                                               ">",
                                               "&",
                                               "&amp;",
                                               "~",
                                               "$",
                                               "%",
                                               "{",
                                               "}",
                                               "^",
                                               "!",
                                               "://",
                                               "www.",
                                               "http://x",
                                               "1. ",
                                               "2) ",
                                               "--",
                                               "<script>",
                                               "<!--",
                                               "-->",
                                               "\\end{tabular}",
                                               "\\\\",
                                               "\\input{x}",
                                               "{[}",
                                               "=cmd|' /C calc'!A0",
                                               "-0.5",
                                               "1e-5",
                                               "\x1b[31m",
                                               "\x07",
                                               std::string(1, '\0'),
                                               "\x7f",
                                               "\xc2\x85",
                                               "\xe2\x80\xae",
                                               "\xe2\x81\xa6",
                                               "\xe2\x80\xa8",
                                               "\xff",
                                               "\xc3",
                                               "é",
                                               "日本",
                                               "＝",
                                               "\xc2\xa0",
                                               "😀",
                                               "–"};
  return all;
}

// The same names in every test.
template <class Check>
void for_random_names(Check&& check) {
  std::mt19937 random(7);
  for (int n = 0; n < 5000; ++n) {
    std::string name;
    for (std::size_t length = random() % 9; length > 0; --length) name += pieces()[random() % pieces().size()];
    check(name);
    if (testing::Test::HasFailure()) return;
  }
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// No control characters, no line breaks, no marks that change the writing direction, nothing that is not UTF-8.
void expect_one_harmless_line(const std::string& text, const std::string& name) {
  EXPECT_FALSE(invalid_utf8(text)) << printable(name);
  EXPECT_EQ(in_one_line(text), text) << printable(name);
}

TEST(EscapeProperty, ACsvFieldIsReadAsItsTextAndIsNoFormula) {
  for_random_names([](const std::string& name) {
    const std::string field = for_csv(name), shown = in_one_line(name);
    expect_one_harmless_line(field, name);
    std::string read = field;
    if (field.starts_with('"')) {
      ASSERT_TRUE(field.size() > 1 && field.ends_with('"')) << printable(name);
      read = field.substr(1, field.size() - 2);
      std::string quotes = read;
      replace_all(quotes, "\"\"", "");
      ASSERT_EQ(quotes.find('"'), std::string::npos) << printable(name);
      replace_all(read, "\"\"", "\"");
    } else {
      ASSERT_EQ(field.find_first_of(",\""), std::string::npos) << printable(name);
    }
    EXPECT_TRUE(read == shown || read == "'" + shown) << printable(name) << " → " << field;
    const bool number = parse_number<double>(read.starts_with('+') ? read.substr(1) : read).has_value();
    const bool computed = !read.empty() && std::string("=+-@\t\r").find(read.front()) != std::string::npos;
    EXPECT_TRUE(!computed || number) << printable(name) << " → " << field;
  });
}

TEST(EscapeProperty, MarkdownHasNoMarkupLeft) {
  const std::string punctuation = "\\|`*[]~$_#-+.):";
  for_random_names([&](const std::string& name) {
    const std::string text = for_markdown(name);
    expect_one_harmless_line(text, name);
    std::string read;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const std::string rest = text.substr(i);
      if (rest.starts_with("&lt;") || rest.starts_with("&gt;")) {
        read += rest.starts_with("&lt;") ? '<' : '>';
        i += 3;
      } else if (rest.starts_with("&amp;") || rest.starts_with("&#32;")) {
        read += rest.starts_with("&amp;") ? '&' : ' ';
        i += 4;
      } else if (text[i] == '\\') {
        ASSERT_LT(i + 1, text.size()) << printable(name);
        ASSERT_NE(punctuation.find(text[i + 1]), std::string::npos) << printable(name) << " → " << text;
        read += text[++i];
      } else {
        ASSERT_EQ(std::string("|`*[]~$<>&").find(text[i]), std::string::npos) << printable(name) << " → " << text;
        read += text[i];
      }
    }
    EXPECT_EQ(read, in_one_line(name));
    for (std::size_t at = 0; (at = text.find("://", at)) != std::string::npos; ++at)
      EXPECT_TRUE(at > 0 && text[at - 1] == '\\') << text;
    EXPECT_EQ(text.find("www."), std::string::npos) << text;
    EXPECT_FALSE(text.starts_with("- ") || text.starts_with("+ ") || text.starts_with("---") ||
                 text.starts_with("1. ") || text.starts_with("#") || text.starts_with(" "))
        << text;
  });
}

TEST(EscapeProperty, LatexHasNoCommandOfTheName) {
  const std::vector<std::pair<std::string, std::string>> commands = {{"\\textbackslash{}", "\\"},
                                                                     {"\\textasciitilde{}", "~"},
                                                                     {"\\textasciicircum{}", "^"},
                                                                     {"\\textless{}", "<"},
                                                                     {"\\textgreater{}", ">"},
                                                                     {"\\textbar{}", "|"},
                                                                     {"\\textasciigrave{}", "`"},
                                                                     {"\\symbol{34}", "\""},
                                                                     {"\\&", "&"},
                                                                     {"\\%", "%"},
                                                                     {"\\$", "$"},
                                                                     {"\\#", "#"},
                                                                     {"\\_", "_"},
                                                                     {"\\{", "{"},
                                                                     {"\\}", "}"},
                                                                     {"{[}", "["},
                                                                     {"{*}", "*"},
                                                                     {"-{}", "-"},
                                                                     {"'{}", "'"},
                                                                     {",{}", ","}};
  for_random_names([&](const std::string& name) {
    const std::string text = for_latex(name);
    expect_one_harmless_line(text, name);
    std::string read;
    for (std::size_t i = 0; i < text.size();) {
      std::size_t taken = 0;
      for (const auto& [command, sign] : commands)
        if (taken == 0 && text.compare(i, command.size(), command) == 0) {
          read += sign;
          taken = command.size();
        }
      if (taken == 0) {
        ASSERT_EQ(std::string("\\&%$#_{}~^<>|`\"").find(text[i]), std::string::npos)
            << printable(name) << " → " << text;
        read += text[i];
        taken = 1;
      }
      i += taken;
    }
    EXPECT_EQ(read, in_one_line(name)) << text;
    const std::size_t first = text.find_first_not_of(' ');
    if (first != std::string::npos) {
      EXPECT_NE(text[first], '[') << text;
      EXPECT_NE(text[first], '*') << text;
    }
    for (const char* ligature : {"--", "''", ",,"}) EXPECT_EQ(text.find(ligature), std::string::npos) << text;
  });
}

TEST(EscapeProperty, HtmlHasNoMarkupLeft) {
  for_random_names([](const std::string& name) {
    std::string text = for_html(name);
    expect_one_harmless_line(text, name);
    EXPECT_EQ(text.find_first_of("<>\"'"), std::string::npos) << text;
    for (const auto& [entity, sign] : std::vector<std::pair<std::string, std::string>>{
             {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}})
      replace_all(text, entity, sign);  // &amp; last: &amp;lt; is the text &lt;
    EXPECT_EQ(text, in_one_line(name));
  });
}

}  // namespace
}  // namespace peftbench::escape_property_test
