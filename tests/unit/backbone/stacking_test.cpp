// Sequences alone, in any batch, and in a batch with sequences of other plans: the same result.
#include "support/forward.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include "backbone/generation.h"

#include <peftbench/error.h>

#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peftbench::stacking_test {

using namespace layers;

namespace {

using support::Batch;
using support::difference;
using support::Ids;
using support::logits;
using support::some_ids;
using support::tiny_backbone;

constexpr double close = 3e-5;  // fp32: other sizes of products are rounded otherwise, on AVX2 up to 1.4e-5

struct Prompt final : InputHook {
  explicit Prompt(Tensor rows) : rows_(std::move(rows)) {}
  Embedded apply(const InputCall& call) const override { return prepend(call.input(), rows_); }
  Tensor rows_;
};
struct Prefix final : KvHook {
  explicit Prefix(KvPrefix prefix) : prefix_(std::move(prefix)) {}
  KvPrefix prefix(const CallContext&) const override { return prefix_; }
  KvPrefix prefix_;
};
struct Gain final : LinearHook {
  explicit Gain(double gain) : gain_(gain) {}
  Tensor apply(const LinearCall& call) const override { return call.base() * gain_; }
  double gain_;
};
struct Shift final : ParameterHook {
  Tensor value(const Tensor& frozen) const override { return frozen + 0.2; }
};

// Plan `number` differs from the others in everything that can differ by group: lengths of prompts and prefixes,
// bias policies, gains, stand-ins (the relative bias of both stacks among them).
CompiledPlan plan_number(const Backbone& backbone, int number) {
  return support::plan_with(backbone, [&](const BackboneSpec& spec, PlanBuilder& plan) {
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(number) + 50);
    const auto random = [&](at::IntArrayRef shape) { return at::empty(shape).normal_(0, 1, generator); };
    if (number == 2) return;  // claims nothing
    plan.claim<Prompt>(spec.encoder_input(), random({3 + number, spec.d_model}));
    if (number == 1) plan.claim<Prompt>(spec.decoder_input(), random({2, spec.d_model}));
    for (const KvSite& site : spec.key_values()) {
      if (number == 1 && site.sublayer == Sublayer::cross) continue;
      const Shape shape{spec.num_heads, 2 + number, spec.d_kv};
      plan.claim<Prefix>(
          site, KvPrefix{random(shape), random(shape), number == 0 ? PrefixBias::before_sequence : PrefixBias::none});
    }
    for (const LinearSite& site : spec.linears({"q", "wo"})) plan.claim<Gain>(site, 1.0 + 0.3 * number);
    for (const ParameterSite& site : spec.parameters()) {
      const bool norm = site.tensor.ends_with("layer_norm.weight");
      if (norm || site.tensor.find("relative_attention_bias") != std::string::npos) plan.claim<Shift>(site);
    }
  });
}

TEST(Packing, AnExampleAloneEqualsItselfInAnyBatch) {
  for (const auto& [gated, backend] : {std::pair(true, Backend::reference), std::pair(false, Backend::reference),
                                       std::pair(true, Backend::fast), std::pair(false, Backend::fast)}) {
    const auto backbone = tiny_backbone({.gated = gated, .tied = !gated, .backend = backend});
    const Batch inputs{some_ids(150, 1), some_ids(3, 2), some_ids(40, 3), some_ids(40, 4)};
    const Batch targets{{0, 5, 6}, {0}, {0, 3, 8, 11, 4, 20}, {0, 1}};
    const Tensor together = logits(*backbone, {}, inputs, targets);
    int64_t row = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Tensor alone = logits(*backbone, {}, {inputs[i]}, {targets[i]});
      EXPECT_LT(difference(together.narrow(0, row, alone.size(0)), alone), close);
      row += alone.size(0);
    }
  }
}

TEST(StackedPlan, RowsEqualSeparatePasses) {
  for (const Backend backend : {Backend::reference, Backend::fast}) {
    const auto backbone = tiny_backbone({.backend = backend});
    std::vector<CompiledPlan> plans;
    for (int number = 0; number < 3; ++number) plans.push_back(plan_number(*backbone, number));
    const CompiledPlan stacked = CompiledPlan::stack(plans);
    const Batch inputs{some_ids(9, 1), some_ids(4, 2), some_ids(12, 3), some_ids(5, 4), some_ids(7, 5)};
    const Batch targets{{0, 5, 6}, {0, 9}, {0, 3, 8, 11}, {0, 2}, {0, 4, 4}};
    const Ids groups{0, 0, 1, 1, 2};
    const Tensor together = logits(*backbone, stacked, inputs, targets, groups);
    int64_t row = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Tensor alone = logits(*backbone, plans[static_cast<std::size_t>(groups[i])], {inputs[i]}, {targets[i]});
      EXPECT_LT(difference(together.narrow(0, row, alone.size(0)), alone), close) << "sequence " << i;
      row += alone.size(0);
    }
    EXPECT_EQ(row, together.size(0));
  }
}

TEST(StackedPlan, GeneratesWhatSeparateRunsGenerate) {
  const auto backbone = tiny_backbone();
  std::vector<CompiledPlan> plans;
  for (int number = 0; number < 3; ++number) plans.push_back(plan_number(*backbone, number));
  const CompiledPlan stacked = CompiledPlan::stack(plans);
  support::refresh(*backbone, stacked);
  const Batch inputs{some_ids(9, 1), some_ids(4, 2), some_ids(12, 3), some_ids(5, 4), some_ids(7, 5)};
  const Ids groups{0, 0, 1, 1, 2};
  const RunContext context = RunContext::inference();
  for (const int64_t beams : {1, 3}) {
    const GenerationOptions options{.max_tokens = 9, .beams = beams};
    const auto together =
        generate(*backbone, backbone->encode(PackedTokens::of(inputs, groups), stacked, context), stacked, options);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const CompiledPlan& plan = plans[static_cast<std::size_t>(groups[i])];
      const auto alone =
          generate(*backbone, backbone->encode(PackedTokens::of({inputs[i]}), plan, context), plan, options);
      EXPECT_EQ(together[i], alone.front()) << "sequence " << i << ", " << beams << " beams";
    }
  }
}

TEST(StackedPlan, RefusesHeadsOfTwoKinds) {
  struct Classes final : HeadHook {
    Tensor apply(const HeadCall& call) const override { return call.hidden; }
    bool scores_classes() const override { return true; }
  };
  const auto backbone = tiny_backbone();
  const CompiledPlan classes = support::plan_with(
      *backbone, [](const BackboneSpec& spec, PlanBuilder& plan) { plan.claim<Classes>(spec.head()); });
  EXPECT_THROW(CompiledPlan::stack({classes, plan_number(*backbone, 0)}), ConfigError);
}

TEST(StackedPlan, NeedsSortedGroupsThatExist) {
  const auto backbone = tiny_backbone();
  const CompiledPlan stacked = CompiledPlan::stack({plan_number(*backbone, 0), plan_number(*backbone, 1)});
  EXPECT_THAT([&] { PackedTokens::of({{3}, {4}}, {1, 0}); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("must be sorted by group")));
  EXPECT_THAT([&] { logits(*backbone, stacked, {{3}, {4}}, {{0}, {0}}, {0, 2}); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("belongs to an unknown plan")));
}

}  // namespace
}  // namespace peftbench::stacking_test
