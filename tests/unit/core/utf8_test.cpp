#include "core/utf8.h"
#include "support/layers.h"

#include <gtest/gtest.h>

namespace peftbench::utf8_test {

using namespace layers;

namespace {

TEST(Utf8, TakesEveryLengthOfCharacter) {
  EXPECT_EQ(invalid_utf8(""), std::nullopt);
  EXPECT_EQ(invalid_utf8("plain"), std::nullopt);
  EXPECT_EQ(invalid_utf8("é € 😀 \xf4\x8f\xbf\xbf"), std::nullopt);
  EXPECT_EQ(invalid_utf8(std::string_view("\0", 1)), std::nullopt);
}

TEST(Utf8, FindsTheFirstWrongByte) {
  EXPECT_EQ(invalid_utf8("ab\xff"), 2u);
  EXPECT_EQ(invalid_utf8("a\xc3"), 1u);             // cut short
  EXPECT_EQ(invalid_utf8("\xc0\x80"), 0u);          // overlong
  EXPECT_EQ(invalid_utf8("\xe0\x9f\xbf"), 0u);      // overlong
  EXPECT_EQ(invalid_utf8("é\xed\xa0\x80"), 2u);     // surrogate
  EXPECT_EQ(invalid_utf8("\xf4\x90\x80\x80"), 0u);  // beyond U+10FFFF
  EXPECT_EQ(invalid_utf8("\xf0\x8f\xbf\xbf"), 0u);  // overlong
  EXPECT_EQ(invalid_utf8("\x80"), 0u);
}

TEST(Utf8, MakesTextFitForAMessage) {
  EXPECT_EQ(printable("one\ttwo\n"), "one\\ttwo\\n");
  EXPECT_EQ(printable("\xff é \x01"), "\\xff é \\x01");
  EXPECT_EQ(printable("abcdef", 3), "abc…");
  EXPECT_EQ(printable("aé", 2), "a…");  // never cuts a character
  EXPECT_EQ(printable("abc", 3), "abc");
}

// S2: words that look alike are told apart.
TEST(Utf8Test, SpelledShowsCodePoints) {
  EXPECT_EQ(spelled("good"), "'good'");
  EXPECT_EQ(spelled("caf\xc3\xa9"), "'caf\xc3\xa9' (U+00E9)");
  EXPECT_EQ(spelled("cafe\xcc\x81"), "'cafe\xcc\x81' (U+0301)");
  EXPECT_EQ(spelled("\xf0\x9f\x98\x80"), "'\xf0\x9f\x98\x80' (U+1F600)");
  EXPECT_EQ(spelled("\xe4\xbd\xa0\xe5"), "'\xe4\xbd\xa0\\xe5' (U+4F60)");
}

}  // namespace
}  // namespace peftbench::utf8_test
