// Every method on a device that refuses tensors of the CPU: the same results, and transfers that do not grow with the
// number of layers.
#include "backbone/dropout_mask.h"
#include "backbone/generation.h"
#include "device/compare.h"
#include "eval/ensemble.h"
#include "methods/workshop.h"
#include "support/forward.h"
#include "support/layers.h"
#include "support/program.h"
#include "support/tiny_backbone.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

namespace peftbench::support {

using namespace layers;

namespace {

using testing_support::Scratch;

// Of results of size 1. The operators are the CPU's, but some are put together otherwise, so sums may be in another
// order.
constexpr double close = 1e-6;
// Of an adapter on the other device. A kernel that only the CPU has sums the update of LoRA.
double loaded_close(const Variant& variant) { return variant.method == "lora" ? 2 * close : close; }
// After three steps. An LSTM has an operator that the CPU has not.
double trained_close(const Variant& variant) {
  const bool lstm = variant.method == "p_tuning" && variant.name.find("mlp") == std::string::npos;
  return lstm ? 3e-5 : 3e-6;
}

std::vector<const EncodedExample*> pointers(const std::vector<EncodedExample>& examples) {
  std::vector<const EncodedExample*> result;
  for (const EncodedExample& example : examples) result.push_back(&example);
  return result;
}

class OnDevice : public ::testing::TestWithParam<Variant> {};

TEST_P(OnDevice, TrainsScoresSavesAndLoadsAsOnTheCpu) {
  for (const std::string& kind : GetParam().backbones) {
    const Workshop cpu(GetParam(), kind), there(GetParam(), kind, on_device());
    CompiledPlan plan = cpu.plan(), same = there.plan();
    for (const auto& slot : same.trained()) EXPECT_EQ(slot->value.device().type(), c10::kPrivateUse1) << slot->name;
    EXPECT_LT(relative(there.outcome(same), cpu.outcome(plan)), 2 * close) << kind;
    if (!plan.trained().empty()) {
      // With AdamW's own epsilon, an update has the size of the rate whatever the gradient: the sign of noise decides.
      const Training smooth{.epsilon = 1};
      const TrainingResult expected = cpu.train(plan, 3, smooth), found = there.train(same, 3, smooth);
      EXPECT_NEAR(found.last_loss, expected.last_loss, close * std::max(1.0, std::abs(expected.last_loss)));
      EXPECT_EQ(found.receiving_gradient, expected.receiving_gradient);
    }
    const TensorMap stored = plan.stored();
    for (const auto& [name, value] : same.stored()) {
      EXPECT_TRUE(value.is_cpu());
      EXPECT_LT(relative(value, stored.at(name)), trained_close(GetParam())) << kind << ": " << name;
    }
    const Tensor outcome = there.outcome(same);
    EXPECT_LT(relative(outcome, cpu.outcome(plan)), trained_close(GetParam())) << kind;

    const Scratch scratch;
    there.save(same, scratch.path() / "adapter");
    EXPECT_EQ(relative(there.outcome(there.load(scratch.path() / "adapter")), outcome), 0) << kind;
    EXPECT_LT(relative(cpu.outcome(cpu.load(scratch.path() / "adapter")), outcome), loaded_close(GetParam())) << kind;
  }
}

TEST_P(OnDevice, GeneratesTheSameText) {
  const std::string& kind = GetParam().backbones.front();
  const Workshop cpu(GetParam(), kind), there(GetParam(), kind, on_device());
  const CompiledPlan plan = cpu.plan(), same = there.plan();
  if (scores_classes(plan)) GTEST_SKIP() << "scores classes, and writes no text";
  const at::NoGradGuard no_grad;
  const auto ids = [&](const Workshop& workshop, const CompiledPlan& used, std::int64_t beams) {
    workshop.backbone().refresh(used);
    const std::vector<EncodedExample> examples = workshop.examples(used);
    const EncoderState encoder = encode_batch(workshop.backbone(), {pointers(examples), {}, replicas_of(used)}, used,
                                              RunContext::inference(), nullptr);
    return generate(workshop.backbone(), encoder, used, {.max_tokens = 6, .beams = beams});
  };
  for (const std::int64_t beams : {1, 4}) EXPECT_EQ(ids(there, same, beams), ids(cpu, plan, beams)) << beams;
}

INSTANTIATE_TEST_SUITE_P(Methods, OnDevice, ::testing::ValuesIn(variants()),
                         [](const auto& variant) { return variant.param.name; });

// Transfers of a training step beyond its first.
std::int64_t transfers_of_a_step(const Variant& variant, std::int64_t layers, const std::vector<std::int64_t>& chosen) {
  const Workshop workshop(variant, variant.backbones.front(), on_device(), layers);
  CompiledPlan plan = workshop.plan();
  const auto after = [&](std::int64_t steps) {
    const std::int64_t before = transfers().all();
    workshop.train(plan, steps, {chosen, 0.1});
    return transfers().all() - before;
  };
  const std::int64_t few = after(6);
  return (after(8) - few) / 2;
}

TEST(Transfers, DoNotGrowWithLayers) {
  std::printf("%-28s %8s %8s %8s\n", "transfers of a step", "equal", "unequal", "6 layers");
  for (const Variant& variant : variants()) {
    if (Workshop(variant, variant.backbones.front()).plan().trained().empty()) continue;
    const std::vector<std::int64_t> equal(8, 3), unequal;  // the same example, and eight of unequal lengths
    const std::int64_t even = transfers_of_a_step(variant, 2, equal), uneven = transfers_of_a_step(variant, 2, unequal);
    const std::int64_t deep = transfers_of_a_step(variant, 6, unequal);
    std::printf("%-28s %8ld %8ld %8ld\n", variant.name.c_str(), even, uneven, deep);
    EXPECT_EQ(deep, uneven) << variant.name;
    EXPECT_LE(even, uneven) << variant.name;
    EXPECT_LE(uneven, 20) << variant.name;
  }
}

TEST(Quantized, WeightsAreTheSameOnTheDevice) {
  for (const Quantization kind : {Quantization::nf4, Quantization::int8}) {
    for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
      const BackboneSpec spec = tiny_spec();
      const LoadOptions options{precision, kind};
      const auto cpu = Backbone::from_tensors(spec, tiny_tensors(spec, 1), options);
      const auto there = Backbone::from_tensors(spec, tiny_tensors(spec, 1), on_device(options));
      EXPECT_EQ(there->checksum(), cpu->checksum());
      for (const ParameterSite& site : spec.parameters()) {
        EXPECT_EQ(there->frozen(site.index).device().type(), c10::kPrivateUse1);
        EXPECT_LT(relative(there->frozen(site.index).to(at::kFloat), cpu->frozen(site.index).to(at::kFloat)), 1e-7);
      }
      const Batch inputs{some_ids(9, 1), some_ids(40, 2)}, targets{{0, 5, 6}, {0, 9}};
      EXPECT_LT(relative(logits(*there, {}, inputs, targets), logits(*cpu, {}, inputs, targets)),
                precision == Precision::float32 ? close : 1e-2);
    }
  }
}

TEST(Device, DrawsTheMasksOfTheCpu) {
  for (const double p : {0.1, 0.5}) {
    const Tensor there = dropout_mask({37, 1001}, p, 0x123456789abcdef0U, stand_in_device());
    EXPECT_TRUE(there.cpu().equal(dropout_mask({37, 1001}, p, 0x123456789abcdef0U, c10::kCPU))) << p;
  }
}

TEST(Device, ATensorOfTheCpuAmongOthersIsRefused) {
  const Tensor there = at::ones({3}, at::TensorOptions(stand_in_device()));
  EXPECT_THROW((void)(there + at::ones({3})), c10::Error);
  EXPECT_NO_THROW((void)(there + at::ones({})));
}

}  // namespace
}  // namespace peftbench::support
