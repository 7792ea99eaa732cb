// hostile 11: a damaged spiece.model is refused before the library, which trusts it, sees it.
#include "text/spiece_file.h"
#include "support/layers.h"

#include "text/tokenizer.h"
#include "unit/text/spiece_bytes.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace peftbench::spiece_file_test {

using namespace layers;

namespace {

using namespace testing_text;
using testing::HasSubstr;

std::string refusal(const std::string& bytes) {
  try {
    read_spiece(bytes, "x/spiece.model");
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

std::string nano() {
  return read_text(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model");
}

TEST(SpieceFile, GivesThePieces) {
  const SpieceFile file = read_spiece(spiece({{"▁a", -1.5F}, {"b", 0, 4}}), "x");
  ASSERT_EQ(file.pieces.size(), 5u);
  EXPECT_TRUE(file.unigram);
  EXPECT_EQ(file.pieces[3].text, "▁a");
  EXPECT_EQ(file.pieces[3].score, -1.5F);
  EXPECT_EQ(file.pieces[4].type, PieceType::user_defined);
  EXPECT_EQ(file.pieces[2].type, PieceType::unknown);
  EXPECT_EQ(read_spiece(nano(), "x").pieces.size(), 8000u);
}

TEST(SpieceFile, PiecesThatTheLibraryCannotHoldAreRefused) {
  EXPECT_THAT(refusal(""), HasSubstr("an empty file"));
  EXPECT_THAT(refusal("this is not a vocabulary"), HasSubstr("cannot read the vocabulary x/spiece.model"));
  EXPECT_THAT(refusal(spiece({{""}})), HasSubstr("piece 3 without text"));
  EXPECT_THAT(refusal(spiece({{std::string("a\0b", 3)}})), HasSubstr("a zero byte"));
  EXPECT_THAT(refusal(spiece({{std::string(1'000'000, 'a')}})), HasSubstr("of 1000000 bytes"));
  EXPECT_THAT(refusal(spiece({{"a", std::numeric_limits<float>::quiet_NaN()}})), HasSubstr("not finite"));
  EXPECT_THAT(refusal(spiece({{"a"}, {"a"}})), HasSubstr("is a duplicate"));
  EXPECT_THAT(refusal(spiece({{"a", 0, 9}})), HasSubstr("of type 9"));
  EXPECT_THAT(refusal(piece_field("a", 0, 1) + text_field(2, number_field(3, 77))), HasSubstr("a model of type 77"));
  EXPECT_THAT(refusal(number_field(1, 5)), HasSubstr("wrong type"));
}

TEST(SpieceFile, TheNormalizersTableStaysWithinItself) {
  const auto with = [](const std::string& map) {
    return refusal(piece_field("a", 0, 1) + text_field(3, text_field(2, map)));
  };
  const auto table = [](std::uint32_t first_unit, const std::string& replacements) {
    std::string map = std::string("\x00\x04\x00\x00", 4) + std::string(1024, '\0');
    std::memcpy(map.data() + 4, &first_unit, 4);
    return map + replacements;
  };
  EXPECT_EQ(with(table(0, std::string("x\0", 2))), "no error");
  EXPECT_THAT(with("ab"), HasSubstr("too short"));
  EXPECT_THAT(with(std::string("\xff\xff\xff\x7f", 4) + "x"), HasSubstr("a trie of"));
  EXPECT_THAT(with(table(0, "x")), HasSubstr("is not terminated"));
  EXPECT_THAT(with(table(0xfffffc00, std::string("x\0", 2))), HasSubstr("outside its trie"));
}

// The library itself is run on what passes: with a sanitizer or without, it must not crash.
TEST(SpieceFile, NoFlippedByteCrashes) {
  const std::string whole = nano();
  const fs::path file = fs::path(testing::TempDir()) / "mutated.model";
  std::size_t refused = 0;
  constexpr std::size_t mutants = 150;
  for (std::size_t i = 0; i < mutants; ++i) {
    std::string bytes = whole;
    const std::size_t at = i * (whole.size() - 1) / (mutants - 1);
    bytes[at] = static_cast<char>(bytes[at] ^ (0x5b + 2 * static_cast<int>(i)));
    write_atomically(file, bytes);
    try {
      Tokenizer::load(file)->encode("Ｆｕｌｌ é ﬁ the old man and the sea.");
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace peftbench::spiece_file_test
