// Every method on the fast backend: what it comes to on the reference.
#include "backbone/generation.h"
#include "eval/encoder_cache.h"
#include "eval/likelihood.h"
#include "methods/workshop.h"
#include "support/forward.h"
#include "support/layers.h"
#include "train/loss.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace peftbench::support {

using namespace layers;

namespace {

LoadOptions fast() {
  LoadOptions options;
  options.backend = Backend::fast;
  return options;
}

double apart(const Tensor& a, const Tensor& b) {
  return difference(a, b) / std::max(1.0, b.abs().max().item<double>());
}

constexpr double close = 1e-5;  // of results of size 1

class OnFastBackend : public ::testing::TestWithParam<Variant> {};

// Both begin with the same values. What they come to after `steps`, with AdamW.
void expect_the_same(const Variant& variant, const std::string& kind, std::int64_t steps) {
  const Workshop reference(variant, kind), there(variant, kind, fast());
  EXPECT_EQ(there.backbone().checksum(), reference.backbone().checksum());
  for (const double dropout : {0.0, 0.1}) {
    SCOPED_TRACE(kind + ", dropout " + std::to_string(dropout));
    CompiledPlan plan = reference.plan(), same = there.plan();
    EXPECT_LT(apart(there.outcome(same), reference.outcome(plan)), close);
    if (plan.trained().empty()) continue;
    // With AdamW's own epsilon, an update has the size of the rate whatever the gradient: the sign of noise decides.
    const Training smooth{.dropout = dropout, .epsilon = 1};
    const TrainingResult expected = reference.train(plan, steps, smooth), found = there.train(same, steps, smooth);
    EXPECT_NEAR(found.last_loss, expected.last_loss, close * std::max(1.0, std::abs(expected.last_loss)));
    // Of trained weights, rounding decides which gradients of almost 0 are 0.
    if (kind != "trained") {
      EXPECT_EQ(found.receiving_gradient, expected.receiving_gradient);
    }
    const TensorMap stored = plan.stored();
    for (const auto& [name, value] : same.stored()) EXPECT_LT(apart(value, stored.at(name)), close) << name;
    if (steps > 1) {
      EXPECT_LT(apart(there.outcome(same), reference.outcome(plan)), close);
    }
  }
}

// Random weights magnify differences from step to step, so there it is one.
TEST_P(OnFastBackend, TrainsAndScoresAsOnTheReference) {
  for (const std::string& kind : GetParam().backbones) expect_the_same(GetParam(), kind, 1);
  expect_the_same(GetParam(), "trained", 3);
}

// Of a step that is cut in parts, here of long inputs. The reference runs the same parts, one after another.
TEST_P(OnFastBackend, RunsPartsOfAStepAsTheReference) {
  const std::string& kind = GetParam().backbones.front();
  const Workshop reference(GetParam(), kind), there(GetParam(), kind, fast());
  const CompiledPlan plan = reference.plan(), same = there.plan();
  if (plan.trained().empty()) GTEST_SKIP() << "trains nothing";
  std::vector<EncodedExample> examples = reference.examples(plan);
  ExampleBatch batch;
  batch.copies = replicas_of(plan);
  StepTotals totals{0, 1};
  for (EncodedExample& example : examples) {
    // What a method inserted stays at the end.
    const std::size_t own = example.input.size(), longer = 100;
    example.input.insert(example.input.begin(), longer, example.input.front());
    if (!example.slots.empty()) example.slots.insert(example.slots.begin(), longer, -1);
    ASSERT_EQ(example.input.size(), own + longer);
    batch.examples.push_back(&example);
    count(example, plan, nullptr, totals);
  }
  TrainConfig config;
  config.dropout = 0.1;
  const auto gradients = [](const CompiledPlan& of) {
    std::vector<Tensor> found;
    for (const auto& slot : of.trained()) {
      found.push_back(slot->value.grad().defined() ? slot->value.grad().clone() : at::zeros_like(slot->value));
      slot->value.mutable_grad() = Tensor();
    }
    return found;
  };
  const std::vector<ExampleBatch> parts = parts_of(batch);
  ASSERT_GT(parts.size(), 1U);
  double loss = 0;
  for (std::size_t i = 0; i < parts.size(); ++i)
    loss += add_gradients(config, reference.backbone(), plan, parts[i], totals, part_seed(5, i, parts.size()), nullptr);
  const std::vector<Tensor> expected = gradients(plan);
  std::vector<std::vector<Tensor>> found;
  const int threads = at::get_num_threads();
  for (const int n : {1, 3}) {
    at::set_num_threads(n);
    EXPECT_NEAR(add_gradients(config, there.backbone(), same, batch, totals, 5, nullptr), loss, close);
    found.push_back(gradients(same));
  }
  at::set_num_threads(threads);
  // LibTorch's own products, of derived values and of trained weights, may differ with the threads.
  const auto slots = plan.slots();
  const bool own_products =
      std::any_of(slots.begin(), slots.end(), [](const auto& slot) { return slot->role == Role::derived; }) ||
      std::any_of(plan.only()->parameter.begin(), plan.only()->parameter.end(),
                  [](const auto& hook) { return !!hook; });
  // Gradients of long inputs to random weights magnify differences.
  constexpr double magnified = 1e-4;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_LT(apart(found[0][i], expected[i]), magnified) << plan.trained()[i]->name;
    EXPECT_LT(apart(found[1][i], expected[i]), magnified) << plan.trained()[i]->name;
    if (!own_products) {
      EXPECT_TRUE(found[0][i].equal(found[1][i])) << plan.trained()[i]->name << ": other bytes for other threads";
    }
  }
  if (!same.leaves_encoder_alone()) return;
  config.dropout = 0;  // parts are larger with a cache, and draw other masks
  loss = add_gradients(config, there.backbone(), same, batch, totals, 5, nullptr);
  const std::vector<Tensor> without = gradients(same);
  EncoderCache cache(there.backbone(), 1 << 30);
  EXPECT_NEAR(add_gradients(config, there.backbone(), same, batch, totals, 5, &cache), loss, close);
  const std::vector<Tensor> with = gradients(same);
  for (std::size_t i = 0; i < with.size(); ++i) EXPECT_LT(apart(with[i], without[i]), close) << plan.trained()[i]->name;
  EXPECT_EQ(cache.counts().misses, std::ssize(batch.examples));
}

TEST_P(OnFastBackend, GeneratesTheSameText) {
  const std::string& kind = GetParam().backbones.front();
  const Workshop reference(GetParam(), kind), there(GetParam(), kind, fast());
  const CompiledPlan plan = reference.plan(), same = there.plan();
  if (scores_classes(plan)) GTEST_SKIP() << "scores classes, and writes no text";
  const at::NoGradGuard no_grad;
  const auto ids = [&](const Workshop& workshop, const CompiledPlan& used, std::int64_t beams) {
    workshop.backbone().refresh(used);
    const std::vector<EncodedExample> examples = workshop.examples(used);
    std::vector<const EncodedExample*> batch;
    for (const EncodedExample& example : examples) batch.push_back(&example);
    const EncoderState encoder =
        encode_batch(workshop.backbone(), {batch, {}, replicas_of(used)}, used, RunContext::inference(), nullptr);
    return generate(workshop.backbone(), encoder, used, {.max_tokens = 6, .beams = beams});
  };
  for (const std::int64_t beams : {1, 4}) EXPECT_EQ(ids(there, same, beams), ids(reference, plan, beams)) << beams;
}

INSTANTIATE_TEST_SUITE_P(Methods, OnFastBackend, ::testing::ValuesIn(variants()),
                         [](const auto& variant) { return variant.param.name; });

}  // namespace
}  // namespace peftbench::support
