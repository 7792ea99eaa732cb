#include "pretrain/vocabulary.h"
#include "support/layers.h"

#include "core/random.h"
#include "texts.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::vocabulary_test {

using namespace layers;

namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;

// A language of its own: words of one to four syllables, the first ones more common.
std::string prose(int words, uint64_t seed) {
  static const char* syllables[] = {"ma", "ri", "to", "sen", "ka", "lu", "per", "no", "dis", "ve", "qua", "stri"};
  Random random(seed);
  std::string text;
  for (int w = 0; w < words; ++w) {
    for (uint64_t s = 1 + random.below(4); s > 0; --s) text += syllables[random.below(1 + random.below(12))];
    text += w % 12 == 11 ? ".\n" : " ";
  }
  return text;
}

class Vocabulary : public testing::Test {
 protected:
  Documents text(int words) { return {"prose", {scratch_.write("prose.txt", prose(words, 1))}}; }
  fs::path out(const std::string& name) const { return scratch_.path() / name; }
  template <class Expected>
  std::string refusal(const Documents& documents, const VocabularyOptions& options) {
    try {
      train_vocabulary({documents}, out("refused.model"), options);
    } catch (const Expected& error) {
      EXPECT_FALSE(fs::exists(out("refused.model")));
      return error.what();
    }
    return "not refused";
  }
  Scratch scratch_;
};

TEST_F(Vocabulary, HasT5sLayout) {
  const Documents documents = text(4000);
  const VocabularyOutcome outcome = train_vocabulary({documents}, out("model/spiece.model"), {300});
  EXPECT_EQ(outcome.documents, 1);
  EXPECT_EQ(outcome.sentences, 334);
  EXPECT_EQ(outcome.learnt_from, 334);
  const auto tokenizer = Tokenizer::load(out("model/spiece.model"));
  EXPECT_EQ(tokenizer->size(), 400);
  EXPECT_EQ(tokenizer->pad_id(), 0);
  EXPECT_EQ(tokenizer->eos_id(), 1);
  EXPECT_EQ(tokenizer->piece(0), "<pad>");
  EXPECT_EQ(tokenizer->piece(1), "</s>");
  EXPECT_EQ(tokenizer->piece(2), "<unk>");
  EXPECT_EQ(tokenizer->sentinel(0), 399);
  EXPECT_EQ(tokenizer->sentinel(99), 300);
  const std::string sentence = "maseto rika persenmaka. lu";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(sentence)), sentence);
  EXPECT_EQ(tokenizer->encode("  maseto\n rika "), tokenizer->encode("maseto rika")) << "NFKC, spaces as T5 has them";
  EXPECT_EQ(tokenizer->encode("ﬁ"), tokenizer->encode("fi"));
  EXPECT_GT(outcome.characters_per_token, 2);
  EXPECT_LT(outcome.characters_per_token, 12);
}

TEST_F(Vocabulary, IsTheSameBytesAgain) {
  const Documents documents = text(4000);
  VocabularyOptions options{200};
  for (const int64_t sentences : {int64_t{1'000'000}, int64_t{100}}) {
    options.sentences = sentences;
    const std::string name = std::to_string(sentences);
    EXPECT_EQ(train_vocabulary({documents}, out(name + "a"), options).learnt_from, std::min<int64_t>(sentences, 334));
    train_vocabulary({documents}, out(name + "b"), options);
    EXPECT_EQ(file_text(out(name + "a")), file_text(out(name + "b")));
  }
  options.seed = 1;
  train_vocabulary({documents}, out("c"), options);
  EXPECT_NE(file_text(out("100a")), file_text(out("c"))) << "another sample";
}

TEST_F(Vocabulary, LearnsFromLinesHoweverLong) {
  std::string line = prose(4000, 1);
  std::replace(line.begin(), line.end(), '\n', ' ');
  const Documents spaced = {"line", {scratch_.write("line.txt", line)}};
  const int64_t sentences = train_vocabulary({spaced}, out("spaced"), {200}).sentences;
  EXPECT_NEAR(static_cast<double>(sentences), static_cast<double>(line.size()) / 4000, 1.5);
  // Neither does a line without any space get lost, nor a character in it cut in two.
  std::string solid;
  for (int i = 0; i < 3000; ++i) solid += i % 7 == 0 ? "ü" : i % 3 == 0 ? "€" : "ab";
  const Documents one = {"solid", {scratch_.write("solid.txt", solid)}};
  EXPECT_EQ(train_vocabulary({one}, out("solid.model"), {10}).sentences, 2);
  const std::vector<int64_t> ids = Tokenizer::load(out("solid.model"))->encode("ü€ab");
  // All but the space before the text, which is rarer than one character in 2,000.
  EXPECT_EQ(std::count(ids.begin() + 1, ids.end(), 2), 0) << "no character was cut in two";
}

TEST_F(Vocabulary, RefusesWithTheSizeThatWouldDo) {
  const Documents documents = text(4000);
  EXPECT_THAT(refusal<DataError>(documents, {100'000}),
              AllOf(HasSubstr("100,000 pieces"), HasSubstr("more text"), HasSubstr("--size ")));
  EXPECT_THAT(refusal<DataError>(documents, {8}), AllOf(HasSubstr("8 pieces"), HasSubstr("characters")));
  EXPECT_THAT(refusal<ConfigError>(documents, {3}), HasSubstr("32,000"));
  VocabularyOptions none{300};
  none.sentences = 0;
  EXPECT_THAT(refusal<ConfigError>(documents, none), HasSubstr("sentences"));
  const Documents blank = {"blank", {scratch_.write("blank.txt", " \n \n")}};
  EXPECT_THAT(refusal<DataError>(blank, {300}), HasSubstr("empty"));
  scratch_.write("there.model", "x");
  EXPECT_THROW(train_vocabulary({documents}, out("there.model"), {300}), ConfigError);
  EXPECT_EQ(file_text(out("there.model")), "x");
}

// The sizes that the messages name are right.
TEST_F(Vocabulary, TheSizeThatARefusalNamesWorks) {
  const Documents documents = text(600);
  const std::string message = refusal<DataError>(documents, {100'000});
  const std::size_t at = message.find("--size ");
  ASSERT_NE(at, std::string::npos) << message;
  const int64_t size = std::stoll(message.substr(at + 7));
  train_vocabulary({documents}, out("most.model"), {size});
  EXPECT_EQ(Tokenizer::load(out("most.model"))->size(), size + 100);
}

}  // namespace
}  // namespace peftbench::vocabulary_test
