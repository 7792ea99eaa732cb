// S2: label words that are one to the model.
#include "data/task/label_check.h"
#include "support/layers.h"

#include "data/task/task_mixture.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::label_check_test {

using namespace layers;

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LabelCheckTest : public testing::Test {
 protected:
  TaskConfig task(std::vector<std::string> labels) const {
    TaskConfig config;
    config.name = "mine";
    config.file = "mine.yaml";
    config.labels = std::move(labels);
    return config;
  }
  std::string refusal(const TaskConfig& task, std::int64_t most_tokens = 0) const {
    try {
      check_labels(task, *tokenizer_, most_tokens);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return {};
  }
  std::shared_ptr<const Tokenizer> tokenizer_ =
      Tokenizer::load(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model");
};

TEST_F(LabelCheckTest, WordsOfWhichTheVocabularyKnowsNothingAreOne) {
  const std::string ids = ids_text(tokenizer_->encode("否"));
  EXPECT_THAT(refusal(task({"否", "是"})),
              AllOf(HasSubstr("mine.yaml: two label words are identical to the model"), HasSubstr("'否' (U+5426)"),
                    HasSubstr("'是' (U+662F)"), HasSubstr("the ids " + ids)));
  EXPECT_THAT(refusal(task({"good 否", "bad", "good 是"})), HasSubstr("identical to the model"));
  EXPECT_THAT(refusal(task({"否", "good"})), IsEmpty());
}

TEST_F(LabelCheckTest, WordsThatTheNormalizerMakesEqualAreOne) {
  for (const auto& labels : std::vector<std::vector<std::string>>{
           {"fine", "\xef\xac\x81ne"},                              // ﬁ, a ligature
           {"caf\xc3\xa9", "cafe\xcc\x81"},                         // é in one code point and in two
           {"\xef\xbd\x99\xef\xbd\x85\xef\xbd\x93", "no", "yes"}})  // full-width letters
    EXPECT_THAT(refusal(task(labels)), AllOf(HasSubstr("identical to the model"), HasSubstr("U+"))) << labels.front();
}

// Ids differ, but what the model writes for one is how the other is read.
TEST_F(LabelCheckTest, AWordThatReadsAsAnothersWrittenFormIsRefused) {
  const std::string written = tokenizer_->decode(tokenizer_->encode("good 否 film"));
  ASSERT_NE(tokenizer_->encode(written), tokenizer_->encode("good 否 film"));
  EXPECT_THAT(refusal(task({"good 否 film", written})), HasSubstr("two label words cannot be distinguished"));
}

TEST_F(LabelCheckTest, APrefixIsAnotherWordUnlessAnswersAreCut) {
  EXPECT_THAT(refusal(task({"good", "good film", "goodness"})), IsEmpty());
  const auto tokens = static_cast<std::int64_t>(tokenizer_->encode("good film").size());
  EXPECT_THAT(refusal(task({"good", "good film"}), tokens), IsEmpty());
  EXPECT_THAT(refusal(task({"good", "good film"}), tokens - 1),
              AllOf(HasSubstr("exceeds the answer length limit"), HasSubstr("eval.max_tokens")));
}

TEST_F(LabelCheckTest, TheTasksOfAMixtureAreCheckedEachAlone) {
  TaskConfig mixture;
  TaskMixture parts;
  parts.tasks = {task({"否", "good"}), task({"是", "bad"})};
  mixture.mixture = std::make_shared<const TaskMixture>(parts);
  EXPECT_THAT(refusal(mixture), IsEmpty());  // an example is one task's alone
  parts.tasks.push_back(task({"是", "否"}));
  mixture.mixture = std::make_shared<const TaskMixture>(parts);
  EXPECT_THAT(refusal(mixture), HasSubstr("identical to the model"));
}

TEST_F(LabelCheckTest, AWordThatIsUnknownIsWarnedOf) {
  EXPECT_THAT(label_warnings(task({"good", "bad"}), *tokenizer_), IsEmpty());
  EXPECT_THAT(label_warnings(task({"否", "good"}), *tokenizer_),
              ElementsAre(AllOf(HasSubstr("task 'mine': the vocabulary covers no part of the label word '否' (U+5426)"),
                                HasSubstr(ids_text(tokenizer_->encode("否"))))));
  EXPECT_THAT(label_warnings(task({"good 否", "good"}), *tokenizer_),
              ElementsAre(HasSubstr("only a part of the label word 'good 否'")));
}

}  // namespace
}  // namespace peftbench::label_check_test
