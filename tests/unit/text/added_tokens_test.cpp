// S6, S7: ids behind the pieces are as the files beside spiece.model define them, as transformers' T5Tokenizer has
// them.
#include "support/layers.h"
#include "text/tokenizer.h"

#include "unit/text/spiece_bytes.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

namespace peftbench::added_tokens_test {

using namespace layers;

namespace {

using namespace testing_text;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<int64_t>;

// ▁ is 3, ▁a 4, ▁b 5, a 6, b 7, < 8, > 9, h 10, l 11: 12 pieces.
const std::vector<HandPiece> letters = {{"▁"}, {"▁a"}, {"▁b"}, {"a"}, {"b"}, {"<"}, {">"}, {"h"}, {"l"}};

class AddedTokens : public testing::Test {
 protected:
  AddedTokens() : folder_(fs::temp_directory_path() / ("peftbench_tokens_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write_atomically(folder_ / "spiece.model", spiece(letters));
  }
  ~AddedTokens() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) { write_atomically(folder_ / name, text); }
  std::shared_ptr<const Tokenizer> load() const { return Tokenizer::load(folder_ / "spiece.model"); }
  std::string refusal() const {
    try {
      load();
    } catch (const DataError& error) {
      return error.what();
    }
    return "no error";
  }
  fs::path folder_;
};

TEST_F(AddedTokens, WithoutFilesThereAreT5sHundredSentinels) {
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->size(), 112);
  EXPECT_EQ(tokenizer->sentinels(), 100);
  EXPECT_EQ(tokenizer->sentinel(0), 111);
  EXPECT_EQ(tokenizer->encode("a <hl>b"), (Ids{4, 3, 8, 10, 11, 9, 7}));
  EXPECT_EQ(tokenizer->encode("a<extra_id_0>b"), (Ids{4, 111, 5}));
}

TEST_F(AddedTokens, OfTheOlderFile) {
  const std::string plain = load()->hash();
  write("added_tokens.json", R"({"<hl>": 112, "ab": 113})");
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->size(), 114);
  EXPECT_EQ(tokenizer->encode("a <hl> b<hl>a"), (Ids{4, 112, 5, 112, 4}));
  EXPECT_EQ(tokenizer->encode("babb"), (Ids{5, 113, 5}));
  EXPECT_EQ(tokenizer->encode("a<extra_id_0>b"), (Ids{4, 111, 5}));
  EXPECT_EQ(tokenizer->decode({4, 112, 5, 113}), "a<hl> bab");
  EXPECT_EQ(tokenizer->piece(112), "<hl>");
  EXPECT_NE(tokenizer->hash(), plain) << "other ids are another vocabulary";
}

TEST_F(AddedTokens, OfTheConfiguration) {
  write("added_tokens.json", R"({"older": 112})");  // not asked where the configuration names all of them
  write("tokenizer_config.json",
        R"({"added_tokens_decoder": {"112": {"content": "<hl>", "lstrip": true, "rstrip": false, "normalized": false,
            "single_word": false, "special": true}}, "tokenizer_class": "T5Tokenizer"})");
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->encode("a <hl> b"), (Ids{4, 112, 5}));
  EXPECT_EQ(tokenizer->size(), 113);
}

TEST_F(AddedTokens, SpecialOnesByName) {
  write("tokenizer_config.json", R"({"cls_token": "<hl>", "sep_token": {"__type": "AddedToken", "content": "ll"}})");
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->encode("a <hl> ll"), (Ids{4, 113, 112}));  // sep comes before cls
}

TEST_F(AddedTokens, OfTokenizerJson) {
  std::string vocabulary = R"(["<pad>",0.0],["</s>",0.0],["<unk>",0.0])";
  for (const HandPiece& piece : letters) vocabulary += ",[\"" + piece.text + "\",-2.0]";
  const auto whole = [&](const std::string& pieces) {
    return R"({"added_tokens":[{"id":13,"content":"<hl>","special":true,"normalized":false}],"model":{"type":"Unigram","vocab":[)" +
           pieces + "]}}";
  };
  write("tokenizer.json", whole(vocabulary + R"(,["<extra_id_0>",0.0])"));
  write("tokenizer_config.json", R"({"extra_ids": 1})");
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->encode("a<extra_id_0><hl>b"), (Ids{4, 12, 13, 5}));
  write("tokenizer.json", whole(vocabulary.replace(vocabulary.find("-2.0"), 4, "-2.5")));
  EXPECT_THAT(refusal(), AllOf(HasSubstr("differs from spiece.model"), HasSubstr("'▁'")));
}

TEST_F(AddedTokens, AnyNumberOfSentinels) {
  write("tokenizer_config.json", R"({"extra_ids": 300})");
  auto tokenizer = load();
  EXPECT_EQ(tokenizer->size(), 312);
  EXPECT_EQ(tokenizer->sentinel(0), 311);
  EXPECT_EQ(tokenizer->sentinel(299), 12);
  EXPECT_THAT(tokenizer->encode("<extra_id_250> <extra_id_0>"), ElementsAre(61, 311));
  write("tokenizer_config.json", R"({"extra_ids": 0})");
  tokenizer = load();
  EXPECT_EQ(tokenizer->sentinels(), 0);
  EXPECT_THROW(tokenizer->sentinel(0), ConfigError);
  EXPECT_EQ(tokenizer->size(), 12);
}

// mT5 holds its sentinels among its pieces, with a space before them.
TEST_F(AddedTokens, SentinelsOfTheVocabularyItself) {
  for (const std::uint64_t type : {1, 4}) {
    std::vector<HandPiece> pieces;
    for (int k = 99; k >= 0; --k) pieces.push_back({"▁<extra_id_" + std::to_string(k) + ">", 0, type});
    pieces.insert(pieces.end(), letters.begin(), letters.end());
    write("spiece.model", spiece(pieces));
    write("tokenizer_config.json", R"({"extra_ids": 0, "additional_special_tokens": null})");
    const auto tokenizer = load();
    EXPECT_EQ(tokenizer->sentinel(0), 102) << type;
    EXPECT_EQ(tokenizer->sentinels(), 100);
    EXPECT_EQ(tokenizer->size(), 112);
    EXPECT_EQ(tokenizer->encode("a <extra_id_0> b"), (Ids{104, 102, 105}));
    EXPECT_EQ(tokenizer->decode({104, 102, 105}), "a <extra_id_0> b");
    fs::remove(folder_ / "tokenizer_config.json");
    if (type == 4)
      EXPECT_EQ(load()->encode("a <extra_id_0> b"), (Ids{104, 102, 105}));
    else
      EXPECT_THAT(refusal(), HasSubstr("it contains sentinels"));
  }
}

TEST_F(AddedTokens, NormalizedOnesAreFoundInNormalizedText) {
  // A full-width letter is normalized by the shipped vocabulary, not by the one written here.
  fs::copy_file(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model",
                folder_ / "spiece.model", fs::copy_options::overwrite_existing);
  write("added_tokens.json", R"({"<hl>": 8100})");
  EXPECT_THAT(load()->encode("\xef\xbc\x9chl\xef\xbc\x9e the"), ElementsAre(8100, 6));
  EXPECT_THAT(load()->encode("the <hl> sea<hl>x"), ElementsAre(6, 8100, 390, 8100, 19, 383));
  write("tokenizer_config.json", R"({"added_tokens_decoder": {"8100": {"content": "<hl>", "normalized": false}}})");
  EXPECT_THAT(load()->encode("\xef\xbc\x9chl\xef\xbc\x9e the"), testing::Not(testing::Contains(8100)));
}

TEST_F(AddedTokens, WhatCannotBeHonouredIsRefused) {
  const auto with = [&](const std::string& name, const std::string& text) {
    write(name, text);
    const std::string message = refusal();
    fs::remove(folder_ / name);
    return message;
  };
  EXPECT_THAT(with("added_tokens.json", R"({"<hl>": 150})"),
              AllOf(HasSubstr("the id of '<hl>'"), HasSubstr("found:    150"), HasSubstr("112: transformers")));
  const char* config = "tokenizer_config.json";
  EXPECT_THAT(with(config, R"({"added_tokens_decoder": {"112": {"content": "hl", "single_word": true}}})"),
              HasSubstr("single_word"));
  EXPECT_THAT(with(config, R"({"eos_token": "<eos>"})"), AllOf(HasSubstr("eos_token"), HasSubstr("'</s>'")));
  EXPECT_THAT(with(config, R"({"tokenizer_class": "LlamaTokenizer"})"), HasSubstr("unsupported tokenizer class"));
  EXPECT_THAT(with(config, R"({"extra_ids": -1})"), HasSubstr("extra_ids"));
  EXPECT_THAT(with(config, R"({"split_special_tokens": true})"), HasSubstr("split_special_tokens"));
  EXPECT_THAT(with(config, "[1]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(with(config, R"({"added_tokens_decoder": {"x": {"content": "hl"}}})"), HasSubstr("not an id"));
  EXPECT_THAT(with("added_tokens.json", R"({"<hl>": "112"})"), HasSubstr("not a token id"));
  EXPECT_THAT(with("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {}}})"), HasSubstr("unigram"));
}

}  // namespace
}  // namespace peftbench::added_tokens_test
