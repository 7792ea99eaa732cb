#include "support/layers.h"

#include <peftbench/error.h>
#include <peftbench/pattern.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace peftbench::pattern_test {

using namespace layers;

namespace {

TEST(Patterns, MatchTheWholeTextOrAPart) {
  const Pattern pattern("encoder.*q");
  EXPECT_TRUE(pattern.matches("encoder.block.0.q"));
  EXPECT_FALSE(pattern.matches("encoder.block.0.q.x"));
  EXPECT_TRUE(pattern.found_in("an encoder.q here"));
  EXPECT_THAT(Pattern("(a+)-(b)?").groups("aa-"), testing::ElementsAre("aa", ""));
  EXPECT_THAT(Pattern("(a+)").groups("b"), testing::IsEmpty());
}

TEST(Patterns, InvalidOnesAreRefused) {
  for (const char* text : {"(", "a(?=b)", "(a)\\1", "[z-a]", "a**", "(?<=a)b"})
    EXPECT_THROW(Pattern{text}, ConfigError) << text;
}

TEST(Patterns, TakeLinearTime) {  // S11
  const Pattern pattern("(a*)*(a|aa)+(a?){30}b");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(pattern.matches(std::string(20'000, 'a')));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(Patterns, GlobsAreThoseOfTheShell) {
  EXPECT_TRUE(Pattern::glob("t5-*").matches("t5-nano"));
  EXPECT_TRUE(Pattern::glob("*").matches("a/b.c"));
  EXPECT_TRUE(Pattern::glob("a?c").matches("abc"));
  EXPECT_FALSE(Pattern::glob("a?c").matches("ac"));
  EXPECT_TRUE(Pattern::glob("[ab]x").matches("bx"));
  EXPECT_FALSE(Pattern::glob("[!ab]x").matches("bx"));
  EXPECT_TRUE(Pattern::glob("[]]").matches("]"));
  EXPECT_TRUE(Pattern::glob("a.b+(c)").matches("a.b+(c)"));
  EXPECT_FALSE(Pattern::glob("a.b").matches("axb"));
  EXPECT_TRUE(Pattern::glob("\\*").matches("*"));
  EXPECT_TRUE(Pattern::glob("[").matches("["));
  EXPECT_FALSE(Pattern::glob("a*a*a*a*a*a*a*a*a*a*a*b").matches(std::string(5'000, 'a')));
}

}  // namespace
}  // namespace peftbench::pattern_test
