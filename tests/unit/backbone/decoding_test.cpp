#include "support/forward.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include "backbone/decode_cache.h"
#include "backbone/generation.h"

#include <peftbench/error.h>

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

namespace peftbench::decoding_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::Ids;
using support::some_ids;
using support::tiny_backbone;

const Batch inputs{some_ids(9, 1), some_ids(4, 2), some_ids(14, 3)};

EncoderState encode(const Backbone& backbone, const Batch& batch) {
  return backbone.encode(PackedTokens::of(batch), {}, RunContext::inference());
}

TEST(Decoding, CachedStepsEqualFullPasses) {
  for (const bool tied : {false, true}) {
    const auto backbone = tiny_backbone({.gated = !tied, .tied = tied});
    const RunContext context = RunContext::inference();
    const EncoderState encoder = encode(*backbone, inputs);
    const auto cache = backbone->begin_decoding(encoder);
    Batch so_far{{0}, {0}, {0}};
    for (int64_t step = 0; step < 20; ++step) {  // past the exact buckets of the causal bias
      Ids last;
      for (const auto& ids : so_far) last.push_back(ids.back());
      const Tensor cached = backbone->decode_step(*cache, at::tensor(last, at::kLong), {}, context);
      const Tensor full = support::logits(*backbone, {}, inputs, so_far);
      const auto layout = PackedTokens::of(so_far).layout;
      EXPECT_LT(difference(cached, full.index_select(0, layout.last_rows())), 1e-5) << "step " << step;
      for (std::size_t b = 0; b < so_far.size(); ++b)
        so_far[b].push_back(some_ids(1, step * 3 + static_cast<int64_t>(b)).front());
    }
  }
}

TEST(Decoding, SequencesMayLeaveAndRepeat) {
  const auto backbone = tiny_backbone();
  const RunContext context = RunContext::inference();
  const auto cache = backbone->begin_decoding(encode(*backbone, inputs));
  backbone->decode_step(*cache, at::tensor({0, 0, 0}, at::kLong), {}, context);
  cache->select({1, 1, 0});  // the longest source leaves
  const Tensor stepped = backbone->decode_step(*cache, at::tensor({5, 6, 5}, at::kLong), {}, context);
  const Tensor full = support::logits(*backbone, {}, {inputs[1], inputs[1], inputs[0]}, {{0, 5}, {0, 6}, {0, 5}});
  EXPECT_LT(difference(stepped, full.index_select(0, TokenLayout::of({2, 2, 2}).last_rows())), 1e-5);
}

TEST(Generation, GreedyTakesTheLikeliestTokenUntilEos) {
  const auto backbone = tiny_backbone({.seed = 5});
  const auto out = generate(*backbone, encode(*backbone, inputs), {}, {.max_tokens = 12});
  for (std::size_t b = 0; b < inputs.size(); ++b) {
    Ids so_far{0};
    for (int64_t step = 0; step < 12; ++step) {
      const Tensor logits = support::logits(*backbone, {}, {inputs[b]}, {so_far});
      const int64_t next = logits[logits.size(0) - 1].argmax().item<int64_t>();
      if (next == 1) break;
      so_far.push_back(next);
    }
    EXPECT_EQ(out[b], Ids(so_far.begin() + 1, so_far.end()));
  }
}

TEST(Generation, NeverProducesIdsBeyondTheVocabulary) {
  const auto backbone = tiny_backbone({.seed = 5});
  for (const int64_t beams : {1, 2}) {
    for (const auto& ids : generate(*backbone, encode(*backbone, inputs), {}, {.max_tokens = 12, .beams = beams}, 9)) {
      for (const int64_t id : ids) EXPECT_LT(id, 9);
    }
  }
}

// Mean log-probability of a finished text, EOS counted: what beams are compared by.
double score(const Backbone& backbone, const Ids& input, Ids output, bool ended) {
  Ids shifted{0};
  shifted.insert(shifted.end(), output.begin(), output.end());
  if (ended) output.push_back(1);
  if (!ended) shifted.pop_back();
  const Tensor log_p = at::log_softmax(support::logits(backbone, {}, {input}, {shifted}), 1);
  double sum = 0;
  for (std::size_t t = 0; t < output.size(); ++t) sum += log_p[static_cast<int64_t>(t)][output[t]].item<double>();
  return sum / static_cast<double>(output.size());
}

TEST(Generation, WideBeamsFindTheBestOfAllShortTexts) {
  // Three ids and at most two tokens: few enough texts to try them all.
  const auto backbone = tiny_backbone({.seed = 8, .vocabulary = 6});
  const Ids input = some_ids(5, 1, 6);
  const auto found = generate(*backbone, encode(*backbone, {input}), {}, {.max_tokens = 2, .beams = 3}, 6).front();
  double best = -1e9;
  Ids best_text;
  const auto consider = [&](const Ids& text, bool ended) {
    const double value = score(*backbone, input, text, ended);
    if (value > best) best = value, best_text = text;
  };
  consider({}, true);
  for (int64_t a = 0; a < 6; ++a) {
    if (a == 1) continue;
    consider({a}, true);
    for (int64_t b = 0; b < 6; ++b) {
      if (b != 1) consider({a, b}, false);
    }
  }
  EXPECT_EQ(found, best_text);
}

TEST(Generation, RefusesNoTokensAndTooManyBeams) {
  const auto backbone = tiny_backbone({.vocabulary = 6});
  const EncoderState encoder = encode(*backbone, {some_ids(5, 1, 6)});
  EXPECT_THROW(generate(*backbone, encoder, {}, {.max_tokens = 0}), ConfigError);
  EXPECT_THROW(generate(*backbone, encoder, {}, {.max_tokens = 3, .beams = 4}), ConfigError);
}

}  // namespace
}  // namespace peftbench::decoding_test
