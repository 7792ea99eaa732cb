#include "text/tokenizer.h"
#include "support/layers.h"

#include "core/names.h"
#include "core/random.h"
#include "text/ascii_normalizer.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

namespace peftbench::tokenizer_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<int64_t>;

const fs::path nano = fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model";

class TokenizerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { tokenizer_ = Tokenizer::load(nano); }
  static void TearDownTestSuite() { tokenizer_.reset(); }
  static Ids joined(Ids a, const Ids& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  static std::shared_ptr<const Tokenizer> tokenizer_;
};
std::shared_ptr<const Tokenizer> TokenizerTest::tokenizer_;

TEST_F(TokenizerTest, KnowsItsSizes) {
  EXPECT_EQ(tokenizer_->size(), 8100);
  EXPECT_EQ(tokenizer_->pad_id(), 0);
  EXPECT_EQ(tokenizer_->eos_id(), 1);
  EXPECT_EQ(tokenizer_->sentinel(0), 8099);
  EXPECT_EQ(tokenizer_->sentinel(99), 8000);
  EXPECT_EQ(tokenizer_->hash().size(), 64u);
  EXPECT_THROW(tokenizer_->sentinel(100), ConfigError);
  EXPECT_THROW(tokenizer_->sentinel(-1), ConfigError);
}

TEST_F(TokenizerTest, TextComesBack) {
  for (const char* text :
       {"", "a", "The old man and the sea.", "It was the best of times, it was the worst of times"}) {
    EXPECT_EQ(tokenizer_->decode(tokenizer_->encode(text)), text);
  }
}

TEST_F(TokenizerTest, WhiteSpaceIsOneSpaceAndNoneAtTheEnds) {
  EXPECT_EQ(tokenizer_->encode("  the \t sea\n"), tokenizer_->encode("the sea"));
  EXPECT_EQ(tokenizer_->encode("   "), Ids{});
}

// What spares most texts the library's own segmentation gives the ids that it would have led to.
TEST_F(TokenizerTest, AsciiIsNormalizedAsTheLibraryDoes) {
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(read_text(nano)).ok());
  const auto ascii = AsciiNormalizer::of(library);
  ASSERT_TRUE(ascii);
  Random random(3);
  std::string normalized;
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (std::uint64_t i = random.below(60); i > 0; --i)
      text += random.below(4) == 0 ? " \t\n\r"[random.below(4)] : static_cast<char>(' ' + random.below(95));
    ASSERT_TRUE(ascii->normalize(text, normalized));
    std::vector<std::string> pieces;
    ASSERT_TRUE(library.Encode(text, &pieces).ok());
    EXPECT_EQ(normalized, join(pieces, "")) << text;
  }
  for (const char* other : {"é", "a\x01", "a\x7f",
                            "\xef\xbb\xbf"
                            "a",
                            "a\f"})
    EXPECT_FALSE(ascii->normalize(other, normalized)) << other;
}

TEST_F(TokenizerTest, SentinelsAreOneIdWithAnySpaceBesideThem) {
  const Ids expected = joined(joined(tokenizer_->encode("the"), {8099}), joined(tokenizer_->encode("sea"), {8098}));
  for (const char* text :
       {"the <extra_id_0> sea <extra_id_1>", "the<extra_id_0>sea<extra_id_1>", "the  <extra_id_0>sea  <extra_id_1> "}) {
    EXPECT_EQ(tokenizer_->encode(text), expected) << text;
  }
  EXPECT_THAT(tokenizer_->encode("<extra_id_99><extra_id_98> <extra_id_10>"), ElementsAre(8000, 8001, 8089));
}

TEST_F(TokenizerTest, WhatOnlyLooksLikeASentinelIsText) {
  for (const char* text :
       {"<extra_id_100>", "<extra_id_00>", "<extra_id_01>", "<extra_id_-1>", "<extra_id_>", "<extra_id_7",
        "<extra_id_ 7>", "<extra_id_", "<EXTRA_ID_7>", "<extra_id_99999999999999999999>", "<extra_id_+1>"}) {
    for (const int64_t id : tokenizer_->encode(text)) EXPECT_LT(id, 8000) << text;
  }
  EXPECT_THAT(tokenizer_->encode("<extra_id_<extra_id_5>"), testing::Contains(tokenizer_->sentinel(5)));
}

TEST_F(TokenizerTest, DataCannotEndASequence) {
  for (const char* text : {"a </s> b", "<pad>", "<s></s><unk>"}) {
    EXPECT_THAT(tokenizer_->encode(text), testing::Not(testing::Contains(testing::AnyOf(0, 1)))) << text;
  }
}

TEST_F(TokenizerTest, DecodingStopsAtTheEnd) {
  const Ids text = tokenizer_->encode("the sea");
  EXPECT_EQ(tokenizer_->decode(joined({0, 0}, joined(text, {1, 8099, 5, 6}))), "the sea");
  EXPECT_EQ(tokenizer_->decode({1}), "");
  EXPECT_EQ(tokenizer_->decode({}), "");
}

TEST_F(TokenizerTest, DecodingWritesSentinelsAndMarksWhatHasNoText) {
  const Ids ids = joined(joined({tokenizer_->sentinel(0)}, tokenizer_->encode("the sea")), {tokenizer_->sentinel(12)});
  EXPECT_EQ(tokenizer_->decode(ids), "<extra_id_0> the sea<extra_id_12>");
  EXPECT_THAT(tokenizer_->decode(joined(tokenizer_->encode("sea"), {8150})), HasSubstr("⁇"));
  EXPECT_THAT(tokenizer_->decode({-5}), HasSubstr("⁇"));
  EXPECT_EQ(tokenizer_->piece(8099), "<extra_id_0>");
  EXPECT_EQ(tokenizer_->piece(8150), "<id 8150>");
  EXPECT_EQ(tokenizer_->piece(1), "</s>");
}

TEST_F(TokenizerTest, AnyBytesAreEncoded) {
  std::string text;
  for (int i = 0; i < 4096; ++i) text += static_cast<char>(i * 167 + (i >> 3));
  for (const int64_t id : tokenizer_->encode(text)) {
    EXPECT_GE(id, 2);
    EXPECT_LT(id, tokenizer_->size());
  }
}

TEST(TokenizerFile, AbsentEmptyAndDamagedFilesAreDataErrors) {
  const auto message = [](const fs::path& path) -> std::string {
    testing::internal::CaptureStderr();
    std::string text;
    try {
      Tokenizer::load(path);
    } catch (const DataError& error) {
      text = error.what();
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "the library prints nothing";
    return text;
  };
  const fs::path folder = fs::path(testing::TempDir());
  EXPECT_THAT(message(folder / "absent.model"), HasSubstr("absent.model"));
  EXPECT_THAT(message(folder), HasSubstr("fix:"));
  write_atomically(folder / "empty.model", "");
  EXPECT_THAT(message(folder / "empty.model"), HasSubstr("an empty file"));
  write_atomically(folder / "text.model", "this is not a vocabulary");
  EXPECT_THAT(message(folder / "text.model"), HasSubstr("text.model"));
  write_atomically(folder / "half.model", read_text(nano).substr(0, 100000));
  EXPECT_THAT(message(folder / "half.model"), HasSubstr("half.model"));
}

}  // namespace
}  // namespace peftbench::tokenizer_test
