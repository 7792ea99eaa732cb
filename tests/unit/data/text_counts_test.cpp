#include "data/prepared/text_counts.h"
#include "support/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peftbench::text_counts_test {

using namespace layers;

namespace {

const std::shared_ptr<const Tokenizer>& tokenizer() {
  static const auto tokenizer =
      Tokenizer::load(fs::path(PEFTBENCH_TEST_SOURCE_DIR) / "assets/backbones/t5-nano-lm/spiece.model");
  return tokenizer;
}

// S3
TEST(TextCountsTest, FindsTargetsThatTheVocabularyCannotWrite) {
  const auto count = [](const std::vector<TextExample>& examples) {
    Unwritable targets;
    for (const TextExample& example : examples) targets.add(example, *tokenizer());
    return targets;
  };
  EXPECT_EQ(count({{{}, "a good film"}, {{}, "number 7"}}).count, 0);
  const Unwritable braces = count({{{}, "a good film"}, {{}, "a{b"}, {{}, "a}b"}});
  EXPECT_EQ(braces.count, 2);
  EXPECT_EQ(braces.target, "a{b");
  EXPECT_NE(braces.written, "a{b");
  EXPECT_EQ(count({{{}, "two  spaces"}}).count, 1);
  EXPECT_EQ(count({{{}, "\xef\xac\x81lm"}}).count, 1);              // ﬁ, of which the normalizer makes two letters
  EXPECT_EQ(count({{{}, "a{b", -1, {"a{b", "a film"}}}).count, 0);  // one right answer can be written
  EXPECT_EQ(count({{{}, "a{b", -1, {"a{b", "c{d"}}}).count, 1);
}

// S15
TEST(TextCountsTest, RemarksSayHowManyAndWhatToDo) {
  TextCounts counts;
  counts.add({}, 0);
  EXPECT_TRUE(cut_remarks(counts, "test", 64, 8).empty());
  counts.add({true, true, 90, {"question"}}, 1);
  counts.add({true, true, 70, {}}, 1);
  EXPECT_THAT(cut_remarks(counts, "test", 64, 8),
              testing::ElementsAre("2 of 3 test inputs are truncated at the limit of 64 tokens",
                                   testing::HasSubstr("1 of 3 test inputs lose all of the field 'question'"),
                                   testing::AllOf(testing::HasSubstr("2 of 3 test targets are truncated"),
                                                  testing::HasSubstr("task.max_target_tokens=90"))));
  const TextCounts again = text_counts_from(to_json(counts));
  EXPECT_EQ(to_json(again), to_json(counts));
  EXPECT_EQ(again.labels.at(1), 2);
}

}  // namespace
}  // namespace peftbench::text_counts_test
