// ByT5's ids; tests/parity/tokenizer compares them with transformers' ByT5Tokenizer.
#include "support/layers.h"
#include "support/program.h"
#include "text/tokenizer.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::byte_tokenizer_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ByteTokenizer : public ::testing::Test {
 protected:
  std::shared_ptr<const Tokenizer> with(const std::string& config) const {
    scratch_.write("tokenizer_config.json", config);
    return open_tokenizer(scratch_.path());
  }
  std::string refusal(const std::string& config) const {
    try {
      with(config);
    } catch (const DataError& error) {
      return error.what();
    }
    return "nothing was refused";
  }
  testing_support::Scratch scratch_;
};

TEST_F(ByteTokenizer, BytesFollowTheSpecialTokensAndSentinelsFollowTheBytes) {
  const auto tokenizer = with(R"({"tokenizer_class": "ByT5Tokenizer"})");
  EXPECT_THAT(tokenizer->encode("aé<extra_id_1> </s>"), ElementsAre(100, 198, 172, 260, 35, 63, 50, 118, 65));
  EXPECT_EQ(tokenizer->decode({100, 198, 172, 260, 0, 35, 1, 100}), "aé<extra_id_1> ");
  EXPECT_EQ(tokenizer->decode({198, 100}), "a");  // half of a character
  EXPECT_EQ(tokenizer->size(), 384);
  EXPECT_EQ(tokenizer->eos_id(), 1);
  EXPECT_EQ(tokenizer->sentinel(0), 259);
  EXPECT_EQ(tokenizer->piece(100), "a");
  EXPECT_EQ(tokenizer->piece(198), "<byte 195>");
  EXPECT_THROW((void)tokenizer->sentinel(125), ConfigError);
}

TEST_F(ByteTokenizer, TheNumberOfSentinelsIsPartOfTheHash) {
  const auto few = with(R"({"tokenizer_class": "ByT5Tokenizer", "extra_ids": 2})");
  const std::string hash = few->hash();
  EXPECT_EQ(few->size(), 261);
  EXPECT_NE(with(R"({"tokenizer_class": "ByT5Tokenizer"})")->hash(), hash);
  EXPECT_EQ(with(R"({"tokenizer_class": "ByT5Tokenizer", "extra_ids": 0, "added_tokens_decoder": {
      "0": {"content": "<pad>"}, "1": {"content": "</s>"}, "2": {"content": "<unk>"},
      "259": {"content": "<extra_id_0>"}, "260": {"content": "<extra_id_1>"}}})")
                ->hash(),
            hash);
}

TEST_F(ByteTokenizer, OtherTokensAndDamageAreRefused) {
  EXPECT_THAT(
      refusal(R"({"tokenizer_class": "ByT5Tokenizer", "added_tokens_decoder": {"384": {"content": "<mine>"}}})"),
      HasSubstr("unsupported added token"));
  EXPECT_THAT(refusal(R"({"tokenizer_class": "ByT5Tokenizer", "added_tokens_decoder": {"x": {"content": "<mine>"}}})"),
              HasSubstr("invalid id"));
  EXPECT_THAT(refusal(R"({"tokenizer_class": "ByT5Tokenizer", "extra_ids": -1})"), HasSubstr("extra_ids"));
  EXPECT_THAT(refusal(R"({"tokenizer_class": "T5Tokenizer"})"), HasSubstr("spiece.model"));
  EXPECT_FALSE(has_tokenizer(scratch_.path()));
}

}  // namespace
}  // namespace peftbench::byte_tokenizer_test
