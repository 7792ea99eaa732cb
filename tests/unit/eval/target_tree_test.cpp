#include "eval/target_tree.h"
#include "support/layers.h"

#include "backbone/precision.h"
#include "eval/likelihood.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace peftbench::target_tree_test {

using namespace layers;

namespace {

using namespace support;

// Words that begin alike, one that is the beginning of another, and one that is there twice.
const std::vector<Ids> words = {{10, 11, 1}, {10, 12, 13, 1}, {10, 1}, {14, 11, 1}, {10, 12, 15, 1}, {14, 11, 1}, {1}};

TEST(TargetTreeTest, CommonBeginningsAreThereOnce) {
  const eval::TargetTree tree(words, 0);
  EXPECT_EQ(tree.nodes.ids, (Ids{0, 10, 11, 12, 13, 14, 11, 15}));
  EXPECT_EQ(tree.nodes.parents, (Ids{-1, 0, 1, 1, 3, 0, 5, 3}));
  ASSERT_EQ(tree.paths.size(), words.size());
  EXPECT_EQ(tree.paths[3], tree.paths[5]);
  for (std::size_t w = 0; w < words.size(); ++w) {
    Ids read;
    for (const auto place : tree.paths[w]) read.push_back(tree.tokens[static_cast<std::size_t>(place)].id);
    EXPECT_EQ(read, words[w]);
  }
  EXPECT_THROW(eval::TargetTree({{10, 1}, {}}, 0), Error);
}

struct Prefix final : KvHook {
  explicit Prefix(KvPrefix value) : value(std::move(value)) {}
  KvPrefix prefix(const CallContext&) const override { return value; }
  KvPrefix value;
};
struct Adds final : SublayerHook {
  Tensor apply(const SublayerCall& call) const override { return call.output + 0.5 * call.input.tanh(); }
};
// Tells rows apart by their place.
struct ByPlace final : BlockHook {
  Tensor apply(const BlockCall& call) const override {
    Tensor out = call.hidden.clone();
    for (std::int64_t s = 0; s < call.layout.sequences(); ++s)
      for (std::int64_t t = 0; t < call.layout.lengths[s]; ++t)
        out.select(0, call.layout.offsets[s] + t).mul_(1.0 + 0.1 * static_cast<double>(t));
    return out;
  }
};

class WordScoresTest : public ::testing::TestWithParam<Backend> {
 protected:
  std::shared_ptr<const Backbone> backbone_ = tiny_backbone({.backend = GetParam()});

  // All words together score what each scores alone.
  void expect_alike(const CompiledPlan& plan) const {
    std::vector<Ids> inputs;
    for (int i = 0; i < 4; ++i) inputs.push_back(some_ids(3 + 2 * i, i));
    const at::NoGradGuard no_grad;
    backbone_->refresh(plan);
    const RunContext context = RunContext::inference();
    const EncoderState encoder = backbone_->encode(PackedTokens::of(inputs), plan, context);
    const Tensor all = eval::score_words(*backbone_, encoder, words, plan, context);
    ASSERT_EQ(all.sizes(), (std::vector<std::int64_t>{4, std::ssize(words)}));
    for (std::size_t w = 0; w < words.size(); ++w) {
      const std::vector<Ids> same(inputs.size(), words[w]);
      const Tensor alone = eval::score_targets(*backbone_, encoder, same, plan, context);
      EXPECT_LE((all.select(1, static_cast<std::int64_t>(w)) - alone).abs().max().item<double>(), 2e-5) << w;
    }
  }
};

TEST_P(WordScoresTest, OfTheFrozenBackbone) { expect_alike({}); }

TEST_P(WordScoresTest, OfPrefixesAndSublayers) {
  for (const PrefixBias bias : {PrefixBias::none, PrefixBias::before_sequence}) {
    expect_alike(plan_with(*backbone_, [&](const BackboneSpec& spec, PlanBuilder& builder) {
      for (const Sublayer sublayer : {Sublayer::self, Sublayer::cross}) {
        for (const KvSite& site : spec.key_values(Stack::decoder, sublayer)) {
          const auto rows = [&] { return at::randn({site.heads, 3, site.head_size}); };
          builder.claim<Prefix>(site, KvPrefix{rows(), rows(), bias});
        }
      }
      for (const SublayerSite& site : spec.sublayers()) builder.claim<Adds>(site);
    }));
  }
}

TEST_P(WordScoresTest, OfAHookThatTellsRowsApart) {
  expect_alike(plan_with(*backbone_, [](const BackboneSpec& spec, PlanBuilder& builder) {
    for (const BlockSite& site : spec.blocks(Stack::decoder)) builder.claim<ByPlace>(site);
  }));
}

INSTANTIATE_TEST_SUITE_P(Backends, WordScoresTest, ::testing::Values(Backend::reference, Backend::fast),
                         [](const auto& of) { return std::string(enum_name(of.param)); });

}  // namespace
}  // namespace peftbench::target_tree_test
