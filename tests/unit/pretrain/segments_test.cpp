#include "pretrain/segments.h"
#include "support/layers.h"

#include "texts.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace peftbench::segments_test {

using namespace layers;

namespace {

using namespace testing_support;
using Ids = std::vector<int64_t>;

class Segments : public testing::Test {
 protected:
  std::shared_ptr<const Corpus> corpus(int first, int last) {
    return corpus_of(scratch_, std::to_string(first) + "-" + std::to_string(last) + ".jsonl", jsonl(first, last));
  }
  static SpecialIds special() { return SpecialIds::of(*nano_tokenizer()); }
  static SegmentOptions options(Objective objective, int64_t input_tokens = 64, double held_out = 0) {
    SegmentOptions result;
    result.objective = objective;
    result.input_tokens = input_tokens;
    result.held_out = held_out;
    return result;
  }
  // How often each id stands in the text of these examples; sentinels and EOS do not count.
  static std::map<int64_t, int64_t> count(const std::vector<EncodedExample>& examples) {
    std::map<int64_t, int64_t> counts;
    for (const EncodedExample& example : examples) {
      for (const Ids* ids : {&example.input, &example.target}) {
        for (const int64_t id : *ids) {
          if (id != special().eos && id <= special().sentinel(100)) ++counts[id];
        }
      }
    }
    return counts;
  }
  static std::vector<EncodedExample> epoch(const SegmentStream& stream, int64_t number) {
    int64_t begin = 0;
    for (int64_t e = 0; e < number; ++e) begin += stream.epoch_size(e);
    std::vector<EncodedExample> result;
    for (int64_t i = 0; i < stream.epoch_size(number); ++i) result.push_back(stream.at(begin + i));
    return result;
  }
  static std::map<int64_t, int64_t> count_documents(const Corpus& corpus, int64_t times = 1) {
    std::map<int64_t, int64_t> counts;
    for (int64_t d = 0; d < corpus.documents(); ++d) {
      for (const int64_t id : ids_of(corpus, d)) counts[id] += times;
    }
    return counts;
  }
  Scratch scratch_;
};

TEST_F(Segments, AnEpochHasEveryTokenOnce) {
  const auto text = corpus(0, 500);
  for (const Objective objective : {Objective::span_corruption, Objective::prefix_lm}) {
    const SegmentStream stream({{text, 1}}, special(), options(objective), 1);
    EXPECT_EQ(count(epoch(stream, 0)), count_documents(*text));
    EXPECT_EQ(count(epoch(stream, 2)), count_documents(*text));
  }
}

TEST_F(Segments, AreAFunctionOfSeedAndIndex) {
  const auto text = corpus(0, 300);
  for (const Objective objective : {Objective::span_corruption, Objective::prefix_lm}) {
    const SegmentStream stream({{text, 1}}, special(), options(objective), 1);
    const int64_t size = stream.epoch_size(0) + stream.epoch_size(1) + 5;
    std::vector<EncodedExample> in_order;
    for (int64_t i = 0; i < size; ++i) in_order.push_back(stream.at(i));
    const SegmentStream again({{text, 1}}, special(), options(objective), 1);
    const SegmentStream other({{text, 1}}, special(), options(objective), 2);
    int64_t same = 0;
    for (int64_t i = size - 1; i >= 0; i -= 3) {
      const auto at = static_cast<std::size_t>(i);
      const EncodedExample example = again.at(i);
      ASSERT_EQ(example.input, in_order[at].input) << i;
      ASSERT_EQ(example.target, in_order[at].target) << i;
      same += other.at(i).input == example.input;
    }
    EXPECT_LE(same, 2);
    EXPECT_NE(stream.at(0).input, stream.at(stream.epoch_size(0)).input) << "each epoch has an order of its own";
  }
}

TEST_F(Segments, SpanCorruptionFillsItsInputsButForTheEndsOfGroups) {
  const auto text = corpus(0, 300);  // three groups of documents
  const SegmentStream stream({{text, 1}}, special(), options(Objective::span_corruption), 1);
  int64_t shorter = 0;
  for (const EncodedExample& example : epoch(stream, 0)) {
    EXPECT_LE(example.input.size(), 64u);
    EXPECT_LE(static_cast<int64_t>(example.target.size()), stream.longest_target());
    shorter += example.input.size() < 64;
  }
  EXPECT_EQ(stream.longest_target(), 14);
  EXPECT_GE(stream.epoch_size(0), text->tokens() / 70);
  EXPECT_LE(shorter, 3);
}

TEST_F(Segments, PrefixLmKeepsDocumentsApart) {
  const auto text = corpus(0, 200);
  const SegmentStream stream({{text, 1}}, special(), options(Objective::prefix_lm), 1);
  std::set<Ids> documents;
  for (int64_t d = 0; d < text->documents(); ++d) documents.insert(ids_of(*text, d));
  int64_t whole = 0;
  for (const EncodedExample& example : epoch(stream, 0)) {
    Ids joined(example.input.begin(), example.input.end() - 1);
    joined.insert(joined.end(), example.target.begin(), example.target.end() - 1);
    EXPECT_LE(joined.size(), 63u);
    whole += documents.count(joined) > 0;
  }
  EXPECT_EQ(whole, 200) << "all of these documents are shorter than an input";
}

TEST_F(Segments, PrefixLmCutsLongDocumentsAndLeavesOutSingleTokens) {
  // 22 tokens in pieces of 7: three, and one token that has no rest to say.
  std::string text = "sea";
  while (nano_tokenizer()->encode(text).size() < 22) text += " sea";
  const auto one = corpus_of(scratch_, "long.jsonl", "{\"text\": \"" + text + "\"}\n");
  ASSERT_EQ(one->tokens(), 22);
  const SegmentStream stream({{one, 1}}, special(), options(Objective::prefix_lm, 8), 1);
  EXPECT_EQ(stream.epoch_size(0), 3);
}

TEST_F(Segments, OfALongDocumentAnEpochHasAPartByChance) {
  std::string words;
  for (int i = 0; i < 40000; ++i) words += std::to_string(i) + " ";
  const auto text = corpus_of(scratch_, "book.txt", words);
  ASSERT_GT(text->tokens(), 65536);
  const SegmentStream stream({{text, 1}}, special(), options(Objective::prefix_lm, 512), 1);
  std::set<int64_t> sizes;
  for (int64_t e = 0; e < 20; ++e) sizes.insert(stream.epoch_size(e));
  const int64_t whole = (65536 + 510) / 511;
  EXPECT_EQ(*sizes.rbegin(), whole);
  EXPECT_EQ(sizes.size(), 2u) << "the last part is shorter than the others";
}

TEST_F(Segments, WeightsSayHowOftenAnEpochHasADocument) {
  const auto text = corpus(0, 400);
  const SegmentStream twice({{text, 2}}, special(), options(Objective::prefix_lm), 1);
  EXPECT_EQ(count(epoch(twice, 1)), count_documents(*text, 2));
  // Half of the documents in each epoch, all of them in two.
  const SegmentStream half({{text, 0.5}}, special(), options(Objective::prefix_lm), 1);
  EXPECT_NEAR(static_cast<double>(half.epoch_size(0)), 200, 40);
  std::vector<EncodedExample> both = epoch(half, 0);
  for (EncodedExample& example : epoch(half, 1)) both.push_back(std::move(example));
  EXPECT_EQ(count(both), count_documents(*text));
  const auto more = corpus(1000, 1010);
  const SegmentStream none({{text, 0}, {more, 1}}, special(), options(Objective::prefix_lm), 1);
  EXPECT_EQ(none.epoch_size(0), 10);
}

TEST_F(Segments, HeldOutDocumentsAreNeverSeen) {
  const auto text = corpus(0, 600);
  std::map<int64_t, int64_t> seen, kept;
  for (int64_t d = 0; d < 600; ++d) {
    for (const int64_t id : ids_of(*text, d)) ++(text->held_out(d, 0.2) ? kept : seen)[id];
  }
  for (const Objective objective : {Objective::span_corruption, Objective::prefix_lm}) {
    const SegmentStream stream({{text, 1}}, special(), options(objective, 64, 0.2), 1);
    EXPECT_EQ(count(epoch(stream, 0)), seen);
    EXPECT_EQ(count(stream.held_out(1 << 20)), kept);
    const SegmentStream other({{text, 3}}, special(), options(objective, 64, 0.2), 9);
    const auto first = stream.held_out(7), again = other.held_out(7);
    ASSERT_EQ(first.size(), 7u);
    for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(first[i].input, again[i].input) << "the same for every seed";
  }
}

TEST_F(Segments, RefuseWhatHasNothingToGive) {
  const auto text = corpus(0, 30);
  const auto stream = [&](double weight, const SegmentOptions& o) {
    return SegmentStream({{text, weight}}, special(), o, 1).epoch_size(0);
  };
  EXPECT_THROW(stream(0, options(Objective::prefix_lm)), DataError);
  EXPECT_THROW(stream(-1, options(Objective::prefix_lm)), ConfigError);
  EXPECT_THROW(stream(1, options(Objective::prefix_lm, 64, 1)), DataError);
  EXPECT_THROW(stream(1, options(Objective::prefix_lm, 2)), ConfigError);
  SegmentOptions many = options(Objective::span_corruption, 2048);
  EXPECT_THROW(stream(1, many), ConfigError);  // 114 spans
  many.mean_span = 4;
  EXPECT_GT(stream(1, many), 0);
  const SegmentStream all({{text, 1}}, special(), options(Objective::prefix_lm), 1);
  EXPECT_THROW(all.held_out(10), DataError);
}

TEST_F(Segments, ShowThemselvesAsText) {
  const auto text = corpus(35, 36);
  const SegmentStream stream({{text, 1}}, special(), options(Objective::span_corruption), 1);
  const std::string shown = describe(stream.at(0), *nano_tokenizer());
  EXPECT_THAT(shown, testing::StartsWith("inputs:  "));
  EXPECT_THAT(shown, testing::HasSubstr("\ntargets: <extra_id_0>"));
}

}  // namespace
}  // namespace peftbench::segments_test
