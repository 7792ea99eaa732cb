#include "eval/normalize.h"
#include "support/layers.h"

#include "core/random.h"
#include "core/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::normalize_test {

using namespace layers;

namespace {

using testing::ElementsAre;

TEST(Normalize, AsSquadsScorer) {
  EXPECT_EQ(normalize_squad("The  Cat's!"), "cats");  // golden G12
  EXPECT_EQ(normalize_squad("a"), "");
  EXPECT_EQ(normalize_squad("  An apple, a day. "), "apple day");
  EXPECT_EQ(normalize_squad("The-an"), "thean");  // punctuation goes first
  EXPECT_EQ(normalize_squad("a_b the_"), "ab");
  EXPECT_EQ(normalize_squad("other than a theory"), "other than theory");
  EXPECT_EQ(normalize_squad("$1,000.50"), "100050");
  EXPECT_EQ(normalize_squad(""), "");
}

// What Python 3.11's str.lower, re and str.split make of them.
TEST(Normalize, FollowsUnicode) {
  EXPECT_EQ(normalize_squad("À LA\u00a0CARTE"), "à la carte");
  EXPECT_EQ(normalize_squad("an\u2003ÜBER the\u3000Ort"), "über ort");
  EXPECT_EQ(normalize_squad("aé thé the\u0301"), "aé thé \u0301");  // a combining mark is no letter
  EXPECT_EQ(normalize_squad("“the” a–b"), "“ ” –b");                // punctuation beyond ASCII stays
  EXPECT_EQ(lower_case("ΟΔΟΣ ΣΑΣ"), "οδος σας");
  EXPECT_EQ(lower_case("İI"), "i\u0307i");
  EXPECT_EQ(lower_case("Straße ЖУК Ω"), "straße жук ω");
  EXPECT_THAT(words_of(" a\u2028b\x1f\tc\u200bd "), ElementsAre("a", "b", "c\u200bd"));
}

TEST(Normalize, WordF1CountsRepeats) {
  EXPECT_DOUBLE_EQ(word_f1("new york city", "york city"), 2 * (2.0 / 3) * 1 / (2.0 / 3 + 1));
  EXPECT_DOUBLE_EQ(word_f1("b b b", "b"), 0.5);
  EXPECT_EQ(word_f1("", ""), 0);  // as SQuAD 1.1's scorer: no word is common
  EXPECT_EQ(word_f1("x", ""), 0);
  EXPECT_EQ(word_f1("x y", "y x"), 1);
}

TEST(Wsc, IsT5sRule) {
  EXPECT_EQ(names_referent("the cat", "cat"), 1);
  EXPECT_EQ(names_referent("Bob's hat", "Bob"), 0);
  EXPECT_EQ(names_referent("potato", "Potato"), 1);
  EXPECT_EQ(names_referent("fuzzy bunny", "fuzzy hungry bunny"), 1);
  EXPECT_EQ(names_referent("fuzzy hungry bunny", "fuzzy bunny"), 1);
  EXPECT_EQ(names_referent("", "cat"), -1);
  EXPECT_EQ(names_referent("the", "cat"), -1);
  EXPECT_EQ(names_referent("the  big cat", "dog"), 0);
  EXPECT_EQ(names_referent("their Bob's", "Bob's hat"), 1);
  EXPECT_EQ(names_referent("cat", "the"), 0);
  EXPECT_EQ(names_referent("big  cat", "big cat dog"), 0);  // T5 has an empty word between two spaces
  EXPECT_EQ(names_referent("big\tcat", "big cat"), 0);
  EXPECT_EQ(names_referent("the  a", "cat"), -1);
}

// Whatever bytes a model or a file gives: an answer that is UTF-8 if they were, and is its own normal form.
TEST(Normalize, TakesAnyBytes) {
  Random random(11);
  const std::string pieces[] = {"a",        "the ", "Σ",      "İ", "\u0301", "'s", "\xff",
                                "\xe2\x82", " ",    "\u3000", "Z", "é",      "_"};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (std::uint64_t n = random.below(12); n > 0; --n) text += pieces[random.below(std::size(pieces))];
    const std::string normal = normalize_squad(text);
    EXPECT_TRUE(invalid_utf8(text) || !invalid_utf8(normal)) << printable(text);
    for (const std::string_view word : words_of(normal)) EXPECT_FALSE(word.empty());
    EXPECT_LE(names_referent(text, "the cat"), 1);
    EXPECT_LE(word_f1(normal, normal), 1);
  }
}

}  // namespace
}  // namespace peftbench::normalize_test
