#include "adapters/merge.h"
#include "support/layers.h"

#include "formats/safetensors.h"
#include "support/forward.h"
#include "support/init_context.h"
#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace peftbench::merge_test {

using namespace layers;

namespace {

using namespace support;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// y = s ⊙ (x Wᵀ): merges by scaling the rows of W, unless it is told not to.
struct Scaled final : LinearHook {
  Scaled(Parameter scale, bool merges) : scale(std::move(scale)), merges(merges) {}
  Tensor apply(const LinearCall& call) const override { return call.base() * scale(); }
  std::optional<Tensor> merged(const Tensor& weight) const override {
    if (!merges) return std::nullopt;
    return weight * scale().unsqueeze(1);
  }
  Parameter scale;
  bool merges;
};

struct Keep final : StepHook {
  void step_end(const StepCall&) override {}
};

void claim(PlanBuilder& plan, const LinearSite& site, bool merges = true) {
  plan.claim<Scaled>(site, plan.parameter(site, "scale", {site.out_features()}, init::uniform(0.5, 1.5)), merges);
}

CompiledPlan plan_of(const Backbone& backbone, const std::function<void(const BackboneSpec&, PlanBuilder&)>& claims) {
  CompiledPlan plan = plan_with(backbone, claims);
  initialise(plan, [&](std::string_view name) { return backbone.frozen(backbone.spec().parameter(name).index); });
  return plan;
}

std::string refusal(const Backbone& backbone, const CompiledPlan& plan) {
  try {
    merged_tensors(backbone, plan);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "merged";
}

TEST(Merge, TheMergedModelDoesWhatTheMethodDid) {
  const auto backbone = tiny_backbone();
  CompiledPlan plan = plan_of(*backbone, [](const BackboneSpec& spec, PlanBuilder& builder) {
    for (const LinearSite& site : spec.linears({"q", "wo", "lm_head"})) claim(builder, site);
    const Parameter norm = builder.train(spec.parameter("decoder.final_layer_norm.weight"));
    builder.scale_learning_rate(norm, 2);
    builder.claim<Keep>(spec.step_end());
  });
  {
    at::NoGradGuard no_gradient;
    for (const auto& slot : plan.slots())
      if (slot->overrides) slot->value.mul_(1.25);
  }
  const Batch inputs = {some_ids(5, 1), some_ids(3, 2)}, targets = {some_ids(4, 3), some_ids(2, 4)};
  const Tensor expected = logits(*backbone, plan, inputs, targets);
  const auto merged = Backbone::from_tensors(backbone->spec(), merged_tensors(*backbone, plan));
  EXPECT_LT(difference(logits(*merged, CompiledPlan(), inputs, targets), expected), 1e-5);
  EXPECT_GT(difference(logits(*backbone, CompiledPlan(), inputs, targets), expected), 0.1);
}

TEST(Merge, WhatWouldBeLeftIsNamed) {
  const auto backbone = tiny_backbone();
  const CompiledPlan plan = plan_of(*backbone, [](const BackboneSpec& spec, PlanBuilder& builder) {
    claim(builder, spec.linears({"k"}).front());
    claim(builder, spec.linears({"v"}).front(), false);
  });
  EXPECT_THAT(refusal(*backbone, plan),
              AllOf(HasSubstr("remaining hooks at encoder.0.self.v"), Not(HasSubstr("self.k"))));
}

TEST(Merge, OneTableCannotTakeTheChangesOfTwoSites) {
  const auto backbone = tiny_backbone({.tied = true});
  const auto claims = [](const BackboneSpec& spec, PlanBuilder& builder) { claim(builder, spec.lm_head()); };
  EXPECT_THAT(refusal(*backbone, plan_of(*backbone, claims)), HasSubstr("remaining hooks at lm_head"));
  const auto own = tiny_backbone();
  EXPECT_EQ(refusal(*own, plan_of(*own, claims)), "merged");
}

class MergedFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("peftbench-merged-" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "source");
    write_atomically(folder_ / "source" / "config.json", "{\"model_type\": \"t5\", \"dtype\": \"bfloat16\"}");
    write_atomically(folder_ / "source" / "spiece.model", "words");
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(MergedFolder, HoldsTheSourcesSizesAndVocabulary) {
  const TensorMap tensors = {{"w", at::ones({2, 3}).t()}};
  const fs::path weights = write_model(folder_ / "model", tensors, folder_ / "source");
  EXPECT_TRUE(read_safetensors(weights).tensors.at("w").equal(at::ones({3, 2})));
  EXPECT_EQ(read_safetensors(weights).metadata.at("format"), "pt");  // transformers asks for it
  EXPECT_EQ(read_text(folder_ / "model" / "spiece.model"), "words");
  EXPECT_THAT(read_text(folder_ / "model" / "config.json"),
              AllOf(HasSubstr("\"dtype\": \"float32\""), HasSubstr("\"model_type\": \"t5\"")));
}

}  // namespace
}  // namespace peftbench::merge_test
