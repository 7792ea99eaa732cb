#include "report/escape.h"
#include "support/layers.h"

#include <gtest/gtest.h>

namespace peftbench::escape_test {

using namespace layers;

namespace {

// hostile 21
TEST(Csv, WhatASpreadsheetWouldComputeIsText) {
  EXPECT_EQ(for_csv("=1+1"), "'=1+1");
  EXPECT_EQ(for_csv("@sum(a1)"), "'@sum(a1)");
  EXPECT_EQ(for_csv("+lora"), "'+lora");
  EXPECT_EQ(for_csv("-2+3+cmd|' /C calc'!A0"), "'-2+3+cmd|' /C calc'!A0");
  EXPECT_EQ(for_csv("  =1"), "'  =1");
  EXPECT_EQ(for_csv("＝1"), "'＝1");
  EXPECT_EQ(for_csv("-inf"), "'-inf");
  EXPECT_EQ(for_csv("=a,b"), "\"'=a,b\"");
}

TEST(Csv, NumbersStayNumbers) {
  for (const char* number : {"-0.5", "+1", "-1e-05", "12", "-3"}) EXPECT_EQ(for_csv(number), number);
  EXPECT_EQ(for_csv("lora"), "lora");
  EXPECT_EQ(for_csv("442368-884736"), "442368-884736");
  EXPECT_EQ(for_csv(""), "");
}

TEST(Csv, AFieldIsInOneLine) {
  EXPECT_EQ(for_csv("a\nb\r\t"), "a\\nb\\r\\t");
  EXPECT_EQ(for_csv("\t=1"), "\\t=1");
  EXPECT_EQ(for_csv("\r=1"), "\\r=1");
  EXPECT_EQ(for_csv("say \"no\""), "\"say \"\"no\"\"\"");
}

TEST(Markdown, MarkupIsText) {
  EXPECT_EQ(for_markdown("a | b\nc"), "a \\| b\\\\nc");
  EXPECT_EQ(for_markdown("<img src=x onerror=alert(1)>&"), "&lt;img src=x onerror=alert(1)&gt;&amp;");
  EXPECT_EQ(for_markdown("[x](javascript:y) `c` *b* ~s~"), "\\[x\\](javascript:y) \\`c\\` \\*b\\* \\~s\\~");
  EXPECT_EQ(for_markdown("# title"), "\\# title");
  EXPECT_EQ(for_markdown("movie_sentiment _x_"), "movie_sentiment \\_x\\_");
  EXPECT_EQ(for_markdown("prompt design, 0 shots"), "prompt design, 0 shots");
}

TEST(Latex, CommandsAreText) {
  EXPECT_EQ(for_latex("\\ & % $ # _ { }"), "\\textbackslash{} \\& \\% \\$ \\# \\_ \\{ \\}");
  EXPECT_EQ(for_latex("~^<>|"), "\\textasciitilde{}\\textasciicircum{}\\textless{}\\textgreater{}\\textbar{}");
  EXPECT_EQ(for_latex("`\""), "\\textasciigrave{}\\symbol{34}");
  EXPECT_EQ(for_latex("a\n\x1b[0m"), "a\\textbackslash{}n\\textbackslash{}x1b[0m");
  EXPECT_EQ(for_latex("é 日 0.75 ± 0.01"), "é 日 0.75 ± 0.01");
}

TEST(Latex, NothingIsAnArgumentOrALigature) {
  EXPECT_EQ(for_latex("[2pt] x [y]"), "{[}2pt] x [y]");
  EXPECT_EQ(for_latex(" *"), " {*}");
  EXPECT_EQ(for_latex("a * b"), "a * b");
  EXPECT_EQ(for_latex("--suite a-b ''"), "-{}-suite a-b '{}'");
}

TEST(Html, MarkupIsText) {
  EXPECT_EQ(for_html("<img src=x onerror='a()' title=\"b\"> & c"),
            "&lt;img src=x onerror=&#39;a()&#39; title=&quot;b&quot;&gt; &amp; c");
  EXPECT_EQ(for_html("a\n\x1b é"), "a\\n\\x1b é");
}

}  // namespace
}  // namespace peftbench::escape_test
