#include "bad_plugins.h"
#include "support/layers.h"

#include "plugin/schema.h"
#include "support/forward.h"
#include "support/tiny_backbone.h"

#include <peftbench/plan.h>

namespace peftbench::planning_test {

using namespace layers;

namespace {

CompiledPlan make_and_plan(const std::string& name) {
  const PluginHandle plugin = load_plugin(bad(name));
  PlanBuilder builder(support::tiny_spec());
  const auto method = make_method(*plugin, parse_values(plugin->name, plugin->schema, {}));
  plan_method(*plugin, *method, builder);
  return CompiledPlan(builder.finish());
}

void expect_unplanned(const std::string& name, std::vector<std::string> parts) {
  parts.push_back("'" + name + "'");
  expect_refusal(PluginStep::planning, parts, [&] { make_and_plan(name); });
}

TEST(Planning, AGoodPluginPlans) { EXPECT_NO_THROW(make_and_plan("good")); }

TEST(Planning, ThrowsInItsConstructor) {
  expect_unplanned("throws_in_constructor", {"reading its parameters", "'never_declared'", "rank", ".param()"});
}

TEST(Planning, ThrowsInPlan) {
  expect_unplanned("throws_in_plan", {"planning", "std::logic_error: half a plan", "throws_in_plan.so"});
  expect_unplanned("throws_int_in_plan", {"an exception of type int", "throws_int_in_plan.so"});
}

// hostile 15: sizes are too large for this machine, and nobody's fault.
TEST(Planning, MemoryThatIsNotThereIsToldAsThat) {
  try {
    make_and_plan("no_memory");
    ADD_FAILURE() << "256 TiB were allocated";
  } catch (const UserError& error) {
    ADD_FAILURE() << "the user's mistake: " << error.what();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::AllOf(::testing::HasSubstr("not enough memory for method 'no_memory'"),
                                               ::testing::HasSubstr("281474976710656"),
                                               ::testing::Not(::testing::HasSubstr("bug in the plugin")),
                                               ::testing::Not(::testing::HasSubstr("Exception raised"))));
  }
}

TEST(Planning, ClaimsASiteTwice) {
  expect_unplanned("claims_twice", {"encoder.0.self.q is claimed twice", "by claims_twice"});
}

TEST(Planning, UnknownSite) { expect_unplanned("unknown_site", {"encoder.99.self.q", "encoder.0.self.q"}); }

TEST(Planning, WrongShape) { expect_unplanned("wrong_shape", {"encoder.input.prompt", "[0, 20]"}); }

TEST(Planning, UnknownParameter) {
  expect_unplanned("unknown_parameter",
                   {"encoder.final_layer_norm.wieght", "did you mean 'encoder.final_layer_norm.weight'"});
}

// Not seen before the hook runs; then the message names the method and both shapes.
TEST(Planning, AHookThatReturnsAWrongShape) {
  const auto backbone = support::tiny_backbone();
  const CompiledPlan plan = make_and_plan("wrong_rows");
  try {
    support::logits(*backbone, plan, {{5, 6, 7}}, {{0}});
    ADD_FAILURE() << "a wrong shape was taken";
  } catch (const ConfigError& error) {
    for (const char* part : {"wrong_rows", "[3, 1]", "[3, 12]", "fix the hook"})
      EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
  }
}

}  // namespace
}  // namespace peftbench::planning_test
