// What holds for every method: each test runs for each row of variants.cpp.
#include "adapters/merge.h"
#include "backbone/decode_cache.h"
#include "eval/likelihood.h"
#include "formats/safetensors.h"
#include "methods/workshop.h"
#include "support/forward.h"
#include "support/layers.h"
#include "support/program.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <algorithm>

namespace peftbench::support {

using namespace layers;

namespace {

using testing_support::Scratch;

bool among(const std::vector<std::string>& parts, const std::string& name) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const auto& part) { return name.find(part) != std::string::npos; });
}

// Tolerances are for logits of size 1.
double size_of(const Tensor& logits) { return std::max(1.0, logits.abs().max().item<double>()); }

constexpr const char* nothing_to_train = "has nothing to train";

class Contract : public ::testing::TestWithParam<Variant> {
 protected:
  // A plan that training has moved away from its first values.
  static CompiledPlan trained(const Workshop& workshop, std::int64_t steps = 4) {
    CompiledPlan plan = workshop.plan();
    if (!plan.trained().empty()) workshop.train(plan, steps);
    return plan;
  }
};

TEST_P(Contract, BeginsAsTheFrozenBackboneWhereItSaysSo) {
  for (const std::string& backbone : GetParam().backbones) {
    const Workshop workshop(GetParam(), backbone);
    if (!workshop.schema().can(Capability::identity_at_init)) GTEST_SKIP() << "does not say so";
    EXPECT_LT(difference(workshop.outcome(workshop.plan()), workshop.outcome(CompiledPlan())), 1e-6) << backbone;
  }
}

TEST_P(Contract, TrainingMovesTheOutcome) {
  const Workshop workshop(GetParam(), GetParam().backbones.front());
  CompiledPlan plan = workshop.plan();
  if (plan.trained().empty()) GTEST_SKIP() << nothing_to_train;
  const Tensor before = workshop.outcome(plan);
  workshop.train(plan, 4);
  EXPECT_GT(difference(workshop.outcome(plan), before), 1e-3);
}

TEST_P(Contract, WhatIsDeclaredGetsAGradientWithinThreeStepsAndNothingElse) {
  for (const std::string& kind : GetParam().backbones) {
    const Workshop workshop(GetParam(), kind);
    CompiledPlan plan = workshop.plan();
    if (plan.trained().empty()) GTEST_SKIP() << nothing_to_train;
    const TrainingResult result = workshop.train(plan, 3);
    for (const auto& slot : plan.trained()) {
      const auto found = result.receiving_gradient.find(slot->name);
      ASSERT_NE(found, result.receiving_gradient.end()) << slot->name;
      const std::int64_t all = slot->value.numel();
      if (among(GetParam().partly, slot->name)) {
        EXPECT_GT(found->second, 0) << slot->name;
      } else {
        EXPECT_EQ(found->second, all) << slot->name << " of " << kind;
      }
    }
    const BackboneSpec& spec = workshop.backbone().spec();
    for (std::size_t i = 0; i < spec.tensors().size(); ++i) {
      const Tensor frozen = workshop.backbone().frozen(static_cast<int>(i));
      EXPECT_FALSE(frozen.requires_grad() || frozen.grad().defined()) << spec.tensors()[i].name;
    }
  }
}

TEST_P(Contract, FiftyStepsLeaveTheBackboneAsItWas) {
  const Workshop workshop(GetParam(), GetParam().backbones.front());
  const std::string before = workshop.backbone().checksum();
  const Tensor frozen = workshop.outcome(CompiledPlan());
  CompiledPlan plan = workshop.plan();
  if (plan.trained().empty()) GTEST_SKIP() << nothing_to_train;
  EXPECT_EQ(workshop.train(plan, 50).steps, 50);
  EXPECT_EQ(workshop.backbone().checksum(), before);
  EXPECT_TRUE(at::equal(workshop.outcome(CompiledPlan()), frozen));  // without the plan, to the bit
}

// Derived values are stored in place of what they came from: the other process has nothing else.
TEST_P(Contract, AnotherProcessLoadsWhatWasStoredToTheBit) {
  for (const std::string& kind : GetParam().backbones) {
    const Scratch scratch;
    const Workshop workshop(GetParam(), kind);
    const CompiledPlan plan = trained(workshop);
    workshop.save(plan, scratch.path());
    const std::string program = fs::read_symlink("/proc/self/exe");
    const std::string command = program + " --reload " + scratch.path().string() + " " + GetParam().name + " " + kind;
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    const Tensor theirs = read_safetensors(scratch.path() / "outcome.safetensors").tensors.at("outcome");
    EXPECT_TRUE(at::equal(theirs, workshop.outcome(plan))) << kind;
  }
}

TEST_P(Contract, MergedEqualsUnmergedWhereItMerges) {
  for (const std::string& kind : GetParam().backbones) {
    const Workshop workshop(GetParam(), kind);
    if (!workshop.schema().can(Capability::merges)) GTEST_SKIP() << "does not merge";
    const CompiledPlan plan = trained(workshop);
    at::NoGradGuard no_grad;
    const Tensor unmerged = workshop.outcome(plan);
    // Throws where a site is left over.
    const auto merged = Backbone::from_tensors(workshop.backbone().spec(), merged_tensors(workshop.backbone(), plan));
    const std::vector<EncodedExample> all = workshop.examples(plan);
    std::vector<std::vector<std::int64_t>> inputs, targets;
    for (const EncodedExample& example : all) {
      inputs.push_back(example.input);
      targets.push_back(example.target);
    }
    const RunContext context = RunContext::inference();
    const EncoderState encoder = merged->encode(PackedTokens::of(inputs), {}, context);
    const Tensor logits = merged->head(decode_labels(*merged, encoder, targets, {}, context), {}, context);
    EXPECT_LT(difference(logits, unmerged), 1e-5 * size_of(unmerged)) << kind;
    EXPECT_GT(difference(unmerged, workshop.outcome(CompiledPlan())), 1e-3) << kind;
  }
}

TEST_P(Contract, AnExampleAloneEqualsItselfInABatch) {
  for (const std::string& kind : GetParam().backbones) {
    const Workshop workshop(GetParam(), kind);
    const CompiledPlan plan = trained(workshop);
    const std::vector<EncodedExample> all = workshop.examples(plan);
    const Tensor together = workshop.outcome(plan);
    std::int64_t row = 0;
    for (const EncodedExample& example : all) {
      const Tensor alone = workshop.outcome(plan, {&example});
      EXPECT_LT(difference(alone, together.narrow(0, row, alone.size(0))), 1e-5 * size_of(together)) << kind;
      row += alone.size(0);
    }
    EXPECT_EQ(row, together.size(0));
  }
}

TEST_P(Contract, CachedDecodingEqualsFullDecoding) {
  for (const std::string& kind : GetParam().backbones) {
    const Workshop workshop(GetParam(), kind);
    const CompiledPlan plan = trained(workshop);
    if (scores_classes(plan)) GTEST_SKIP() << "scores classes, and writes no text";
    const Backbone& backbone = workshop.backbone();
    const std::vector<EncodedExample> all = workshop.examples(plan);
    ExampleBatch batch{{}, {}, replicas_of(plan)};
    for (const EncodedExample& example : all) batch.examples.push_back(&example);
    at::NoGradGuard no_grad;
    backbone.refresh(plan);
    const RunContext context = RunContext::inference();
    const EncoderState encoder = encode_batch(backbone, batch, plan, context, nullptr);
    const std::vector<std::int64_t> written = {11, 300, 7, 42};
    const std::vector<std::vector<std::int64_t>> targets(static_cast<std::size_t>(batch.sequences()), written);
    const auto steps = static_cast<std::int64_t>(written.size());
    const Tensor full = backbone.head(decode_labels(backbone, encoder, targets, plan, context), plan, context)
                            .reshape({batch.sequences(), steps, -1});
    const auto cache = backbone.begin_decoding(encoder);
    std::int64_t next = backbone.spec().decoder_start_id;
    for (std::int64_t step = 0; step < steps; ++step) {
      const Tensor logits = backbone.decode_step(*cache, at::full({batch.sequences()}, next, at::kLong), plan, context);
      EXPECT_LT(difference(logits, full.select(1, step)), 1e-4) << kind << ", step " << step;
      next = written[static_cast<std::size_t>(step)];
    }
  }
}

TEST_P(Contract, OverfitsEightExamples) {
  if (GetParam().overfit == Overfit::none) GTEST_SKIP() << "cannot fit eight examples";
  const Workshop workshop(GetParam(), "trained");
  CompiledPlan plan = workshop.plan();
  const TrainingResult result = workshop.train(plan, 150);
  if (GetParam().overfit == Overfit::to_nothing) {
    EXPECT_LT(result.last_loss, 0.05) << "from " << result.first_loss;
  } else {
    EXPECT_LT(result.last_loss, 0.5 * result.first_loss);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryMethod, Contract, ::testing::ValuesIn(variants()),
                         [](const ::testing::TestParamInfo<Variant>& row) { return row.param.name; });

// No method is forgotten: each plugin of the project has a row.
TEST(Variants, CoverEveryPlugin) {
  const PluginFinder finder({}, {{fs::path(PEFTBENCH_TEST_BUILD_DIR) / "lib/peftbench/plugins", "build tree"}});
  for (const FoundPlugin& found : finder.list()) {
    EXPECT_TRUE(
        std::any_of(variants().begin(), variants().end(), [&](const auto& v) { return v.method == found.name; }))
        << found.name << " has no row in tests/methods/variants.cpp";
  }
}

}  // namespace
}  // namespace peftbench::support
