#include "data/prepared/encode.h"
#include "support/layers.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace peftbench::encode_test {

using namespace layers;

namespace {

using testing::ElementsAre;
using Ids = std::vector<int64_t>;

constexpr int64_t pad = 0, eos = 1;

TextExample example_of(std::vector<Piece> input, std::string target, int label) {
  TextExample example;
  example.input = std::move(input);
  example.target = std::move(target);
  example.label = label;
  return example;
}

class EncodeTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tokenizer_ = Tokenizer::load(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model");
  }
  static void TearDownTestSuite() { tokenizer_.reset(); }
  static Ids ids(const std::string& text, int64_t surplus = 0) {
    Ids result = tokenizer_->encode(text);
    result.resize(result.size() - static_cast<std::size_t>(surplus));
    return result;
  }
  static Ids with_eos(Ids ids) {
    ids.push_back(eos);
    return ids;
  }
  static EncodedExample encode(std::vector<Piece> input, EncodeLimits limits = {}, const LayoutHook* layout = nullptr) {
    const TextExample example = example_of(std::move(input), "yes", 1);
    return encode_all({example}, *tokenizer_, limits, {layout}, pad, eos).at(0);
  }
  static std::shared_ptr<const Tokenizer> tokenizer_;
};
std::shared_ptr<const Tokenizer> EncodeTest::tokenizer_;

class Arrange final : public LayoutHook {
 public:
  explicit Arrange(std::function<std::vector<Piece>(const LayoutCall&)> how) : how_(std::move(how)) {}
  std::vector<Piece> arrange(const LayoutCall& call) const override { return how_(call); }

 private:
  std::function<std::vector<Piece>(const LayoutCall&)> how_;
};

const std::string sentence = "the old man went to the sea and came back with a great fish that he had taken there";

TEST_F(EncodeTest, AdjacentTextsAreOneString) {
  const EncodedExample encoded = encode({Piece::of_text("the sea"), Piece::of_text("son", "a"), Piece::of_text(" is")});
  EXPECT_EQ(encoded.input, with_eos(ids("the season is")));
  EXPECT_NE(encoded.input.size(), ids("the sea").size() + ids("son").size() + ids(" is").size() + 1);
  EXPECT_EQ(encoded.target, with_eos(ids("yes")));
  EXPECT_EQ(encoded.label, 1);
  EXPECT_TRUE(encoded.slots.empty());
}

TEST_F(EncodeTest, SlotsAndTokensStandWhereTheLayoutPutsThem) {
  const EncodedExample encoded =
      encode({Piece::of_slots(2), Piece::of_text("sea"), Piece::of_tokens({8099, 7}), Piece::of_slots(1)});
  const Ids sea = ids("sea");
  ASSERT_EQ(sea.size(), 1u);
  EXPECT_THAT(encoded.input, ElementsAre(pad, pad, sea[0], 8099, 7, pad, eos));
  EXPECT_THAT(encoded.slots, ElementsAre(0, 1, -1, -1, -1, 2, -1));
}

TEST_F(EncodeTest, LongInputsLoseTheirEndAndKeepEos) {
  const Ids whole = ids(sentence);
  for (int64_t limit = 2; limit <= static_cast<int64_t>(whole.size()) + 2; ++limit) {
    const EncodedExample encoded = encode({Piece::of_text(sentence, "text")}, {limit, 62});
    Ids expected(whole.begin(), whole.begin() + std::min<int64_t>(limit - 1, static_cast<int64_t>(whole.size())));
    EXPECT_EQ(encoded.input, with_eos(expected)) << limit;
  }
}

TEST_F(EncodeTest, SlotsDoNotCount) {
  const EncodedExample encoded =
      encode({Piece::of_slots(20), Piece::of_text(sentence, "text"), Piece::of_slots(5)}, {8, 62});
  EXPECT_EQ(encoded.input.size(), 20u + 7 + 5 + 1);
  EXPECT_EQ(encoded.slots[19], 19);
  EXPECT_EQ(encoded.slots[20], -1);
  EXPECT_EQ(encoded.slots[27], 20);
  EXPECT_EQ(encoded.input.back(), eos);
}

TEST_F(EncodeTest, WordsOfTheTemplateOutliveTheFieldBeforeThem) {
  const Ids tail = ids("It was <extra_id_0>");
  for (int64_t limit = static_cast<int64_t>(tail.size()) + 3; limit < 20; ++limit) {
    const Ids input =
        encode({Piece::of_text("say: "), Piece::of_text(sentence, "text"), Piece::of_text(" It was <extra_id_0>")},
               {limit, 62})
            .input;
    ASSERT_LE(static_cast<int64_t>(input.size()), limit);
    ASSERT_GE(static_cast<int64_t>(input.size()),
              std::min<int64_t>(limit - 4, 6));  // and does not cut more than it must
    EXPECT_EQ(Ids(input.end() - 1 - static_cast<long>(tail.size()), input.end() - 1), tail) << limit;
  }
}

TEST_F(EncodeTest, TheLastFieldIsCutFirst) {
  const std::vector<Piece> pieces = {Piece::of_text("a: "), Piece::of_text("the old man", "first"),
                                     Piece::of_text(" b: "), Piece::of_text(sentence, "second")};
  const Ids input = encode(pieces, {12, 62}).input;
  const Ids whole = ids("a: the old man b: " + sentence);
  EXPECT_EQ(input, with_eos(Ids(whole.begin(), whole.begin() + 11)));
}

TEST_F(EncodeTest, CutsBetweenCharacters) {
  std::string accents;
  for (int i = 0; i < 60; ++i) accents += "é😀";
  for (int64_t limit = 4; limit < 40; ++limit) {
    const Ids input = encode({Piece::of_text(accents, "text"), Piece::of_text(" end.")}, {limit, 62}).input;
    EXPECT_LE(static_cast<int64_t>(input.size()), limit);
    EXPECT_EQ(tokenizer_->decode(input).find("\xef\xbf\xbd"), std::string::npos);  // no replacement character
  }
}

TEST_F(EncodeTest, TargetsAreCutAndKeepEos) {
  const TextExample example = example_of({Piece::of_text("x")}, sentence, -1);
  const Ids target = encode_all({example}, *tokenizer_, {512, 5}, {}, pad, eos).at(0).target;
  const Ids whole = ids(sentence);
  EXPECT_EQ(target, with_eos(Ids(whole.begin(), whole.begin() + 4)));
}

// S15
TEST_F(EncodeTest, SaysWhatTheLimitsTook) {
  std::vector<Cut> cuts;
  const auto cut_of = [&](std::vector<Piece> input, const std::string& target, EncodeLimits limits) {
    encode_all({example_of(std::move(input), target, 0)}, *tokenizer_, limits, {}, pad, eos, 1, &cuts);
    return cuts.at(0);
  };
  const std::vector<Piece> input = {Piece::of_text("context: "), Piece::of_text(sentence, "context"),
                                    Piece::of_text(" question: "), Piece::of_text("who went to the sea?", "question")};
  const Cut none = cut_of(input, "yes", {});
  EXPECT_FALSE(none.input || none.target);
  EXPECT_TRUE(none.lost.empty());
  const auto all =
      static_cast<std::int64_t>(ids("context: " + sentence + " question: who went to the sea?").size()) + 1;
  const Cut part = cut_of(input, "yes", {all - 2, 62});
  EXPECT_TRUE(part.input);
  EXPECT_TRUE(part.lost.empty());
  EXPECT_EQ(cut_of(input, "yes", {16, 62}).lost, std::vector<std::string>{"question"});
  EXPECT_EQ(cut_of(input, "yes", {4, 62}).lost, (std::vector<std::string>{"question", "context"}));
  const Cut target = cut_of(input, sentence, {512, 4});
  EXPECT_TRUE(target.target);
  EXPECT_FALSE(target.input);
  EXPECT_EQ(target.target_tokens, static_cast<std::int64_t>(ids(sentence).size()) + 1);
  EXPECT_FALSE(cut_of(input, sentence, {512, target.target_tokens}).target);
}

TEST_F(EncodeTest, LayoutSeesTheExampleTheTrainingSetAndTheBudget) {
  const std::vector<TextExample> training = {example_of({Piece::of_text("shot", "text")}, "no", 0)};
  const Arrange layout([&](const LayoutCall& call) {
    EXPECT_EQ(call.training_set.size(), 1u);
    EXPECT_EQ(call.max_tokens, 100);
    EXPECT_EQ(call.tokens(sentence), static_cast<int64_t>(ids(sentence).size()));
    std::vector<Piece> pieces = call.training_set[0].input;
    pieces.push_back(Piece::of_slots(1));
    pieces.push_back(call.example.input[0]);
    return pieces;
  });
  const TextExample example = example_of({Piece::of_text("sea", "text")}, "yes", 1);
  const EncodedExample encoded = encode_all({example}, *tokenizer_, {100, 62}, {&layout, &training}, pad, eos).at(0);
  Ids expected = ids("shot");
  expected.push_back(pad);
  for (const int64_t id : ids("sea")) expected.push_back(id);
  EXPECT_EQ(encoded.input, with_eos(expected));
}

TEST_F(EncodeTest, EachReplicaIsLaidOutOnItsOwn) {
  const Arrange layout([](const LayoutCall& call) {
    EXPECT_EQ(call.seed, 5u);
    return std::vector<Piece>{Piece::of_slots(call.replica), call.example.input[0]};
  });
  const TextExample example = example_of({Piece::of_text("sea", "text")}, "yes", 1);
  const EncodedExample encoded = encode_all({example}, *tokenizer_, {}, {&layout, nullptr, 3, 5}, pad, eos).at(0);
  EXPECT_EQ(encoded.input, with_eos(ids("sea")));
  EXPECT_TRUE(encoded.slots.empty());
  ASSERT_EQ(encoded.replicas.size(), 2u);
  EXPECT_THAT(encoded.replicas[0].slots, ElementsAre(0, -1, -1));
  EXPECT_THAT(encoded.replicas[1].slots, ElementsAre(0, 1, -1, -1));
  EXPECT_EQ(encoded.replicas[1].ids.size(), 4u);
}

TEST_F(EncodeTest, WhatStandsBeforeATargetTakesNoneOfItsTokens) {
  const TextExample example = example_of({Piece::of_text("sea")}, "the sea is", 0);
  const auto target = [&](int64_t limit) {
    return encode_all({example}, *tokenizer_, {20, limit, {8099}}, {}, pad, eos).at(0).target;
  };
  const Ids words = ids("the sea is");
  ASSERT_EQ(words.size(), 3u);
  EXPECT_THAT(target(2), ElementsAre(8099, words[0], eos));
  EXPECT_THAT(target(4), ElementsAre(8099, words[0], words[1], words[2], eos));
}

// Ids that a user gives, without a text: `forward` and layouts.
TEST_F(EncodeTest, IdsAreLaidOutAsTextsAre) {
  const Arrange around([](const LayoutCall& call) {
    std::vector<Piece> pieces = {Piece::of_slots(2)};
    pieces.insert(pieces.end(), call.example.input.begin(), call.example.input.end());
    pieces.push_back(Piece::of_text("good"));
    pieces.push_back(Piece::of_slots(1));
    return pieces;
  });
  const Tokenize tokenize = [](const std::string& text) { return tokenizer_->encode(text); };
  const Ids sea = ids("the sea");
  const EncodedInput input = arrange_ids(with_eos(sea), around, tokenize, pad, eos);
  const EncodedExample text = encode({Piece::of_tokens(sea)}, {}, &around);  // the same as an example of a task
  EXPECT_EQ(input.ids, text.input);
  EXPECT_EQ(input.slots, text.slots);
  EXPECT_EQ(input.slots[1], 1);
  EXPECT_EQ(input.slots[input.slots.size() - 2], 2);
  EXPECT_EQ(input.ids.size(), sea.size() + ids("good").size() + 4);
  EXPECT_THROW(arrange_ids(sea, around, tokenize, pad, eos), DataError);  // nothing says where the input ends
}

TEST_F(EncodeTest, RefusesALayoutThatCannotBe) {
  const Arrange slots([](const LayoutCall&) { return std::vector<Piece>{Piece::of_slots(-1)}; });
  const Arrange tokens([](const LayoutCall&) { return std::vector<Piece>{Piece::of_tokens({-3})}; });
  EXPECT_THROW(encode({Piece::of_text("x")}, {}, &slots), ConfigError);
  EXPECT_THROW(encode({Piece::of_text("x")}, {}, &tokens), ConfigError);
}

}  // namespace
}  // namespace peftbench::encode_test
