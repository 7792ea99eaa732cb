#include "plan/compiled_plan.h"
#include "support/layers.h"
#include "support/tiny_backbone.h"

#include <peftbench/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace peftbench::plan_builder_test {

using namespace layers;

namespace {

struct PassThrough final : LinearHook {
  Tensor apply(const LinearCall& call) const override { return call.base(); }
};
struct SameInput final : InputHook {
  Embedded apply(const InputCall& call) const override { return call.input(); }
};

// The message of what `action` throws; empty if it throws no ConfigError.
template <class Action>
std::string refusal(Action action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

class Builder : public ::testing::Test {
 protected:
  BackboneSpec spec_ = support::tiny_spec();
  PlanBuilder plan_{spec_};
};

TEST_F(Builder, NamesTheHolderOfASiteClaimedTwice) {
  plan_.set_claimant("first_method");
  plan_.claim<SameInput>(spec_.encoder_input());
  const std::string message = refusal([&] { plan_.claim<SameInput>(spec_.encoder_input()); });
  EXPECT_NE(message.find("encoder.input"), std::string::npos) << message;
  EXPECT_NE(message.find("first_method"), std::string::npos) << message;
}

TEST_F(Builder, RefusesASiteThatIsNotThere) {
  LinearSite site = spec_.linears({"q"}).front();
  site.layer = 7;
  EXPECT_NE(refusal([&] { plan_.claim<PassThrough>(site); }).find("encoder.7.self.q"), std::string::npos);
}

TEST_F(Builder, RefusesASiteOfAnotherBackbone) {
  BackboneSpec deeper = spec_;
  deeper.encoder_layers = 5;
  const LinearSite site = deeper.linears({"q"}).back();  // exists here by name, at another index
  EXPECT_NE(refusal([&] { plan_.claim<PassThrough>(site); }).find("another backbone"), std::string::npos);
}

// hostile 11: a claim looks at its own site, not at all of them.
TEST_F(Builder, TenThousandClaimsTakeNoTime) {
  BackboneSpec deep = spec_;
  deep.encoder_layers = deep.decoder_layers = 512;
  const auto start = std::chrono::steady_clock::now();
  PlanBuilder plan(deep);
  for (const ParameterSite& site : deep.parameters()) plan.train(site);
  for (const LinearSite& site : deep.linears()) plan.claim<PassThrough>(site);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(8));
}

// hostile 15
TEST_F(Builder, RefusesSizesThatNoMachineHolds) {
  for (const Shape& shape : {Shape{1000000000000, 20}, Shape{int64_t{1} << 62, 2}, Shape{1 << 20, 1 << 20, 2}})
    EXPECT_NE(refusal([&] {
                plan_.parameter(spec_.encoder_input(), "prompt", shape, init::zeros());
              }).find("would be too large"),
              std::string::npos);
  plan_.parameter(spec_.encoder_input(), "prompt", {1 << 20, 1 << 20}, init::zeros());
}

TEST_F(Builder, RefusesEmptyAndRepeatedParameters) {
  EXPECT_NE(refusal([&] {
              plan_.parameter(spec_.encoder_input(), "prompt", {0, 4}, init::zeros());
            }).find("[0, 4]"),
            std::string::npos);
  plan_.parameter(spec_.encoder_input(), "prompt", {1, 4}, init::zeros());
  EXPECT_NE(refusal([&] {
              plan_.parameter(spec_.encoder_input(), "prompt", {1, 4}, init::zeros());
            }).find("twice"),
            std::string::npos);
}

TEST_F(Builder, ARefusedStandInLeavesNoParameter) {
  ParameterSite site = spec_.parameter("shared.weight");
  site.tensor = "shared.wait";
  EXPECT_NE(refusal([&] { plan_.train(site); }).find("shared.weight"), std::string::npos) << "names the nearest";
  EXPECT_TRUE(plan_.finish()->slots.empty());
}

TEST_F(Builder, ReadingAParameterInThePlanIsTheAuthorsSlip) {
  const Parameter prompt = plan_.parameter(spec_.encoder_input(), "prompt", {1, 20}, init::zeros());
  EXPECT_THAT([&] { prompt(); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("is used before it has a value")));
}

}  // namespace
}  // namespace peftbench::plan_builder_test
