#include "bad_plugins.h"

#include "plugin/schema.h"

#include <peftbench/plan.h>

namespace peftbench {
namespace {

BackboneSpec tiny() {
  BackboneSpec spec;
  spec.name = "tiny";
  spec.vocab_size = 64;
  spec.d_model = 8;
  spec.d_kv = 4;
  spec.num_heads = 2;
  spec.d_ff = 16;
  spec.encoder_layers = spec.decoder_layers = 2;
  return spec;
}

void make_and_plan(const std::string& name) {
  const PluginHandle plugin = load_plugin(bad(name));
  PlanBuilder builder(tiny());
  const auto method = make_method(*plugin, parse_values(plugin->name, plugin->schema, {}));
  plan_method(*plugin, *method, builder);
}

void expect_unplanned(const std::string& name, std::vector<std::string> parts) {
  parts.push_back("'" + name + "'");
  expect_refusal(PluginStep::planning, parts, [&] { make_and_plan(name); });
}

TEST(Planning, AGoodPluginPlans) { EXPECT_NO_THROW(make_and_plan("good")); }

TEST(Planning, ThrowsInItsConstructor) {
  expect_unplanned("throws_in_constructor", {"taking its parameters", "'never_declared'", "rank", ".param()"});
}

TEST(Planning, ThrowsInPlan) {
  expect_unplanned("throws_in_plan", {"planning", "std::logic_error: half a plan", "throws_in_plan.so"});
  expect_unplanned("throws_int_in_plan", {"an exception of type int", "throws_int_in_plan.so"});
}

TEST(Planning, ClaimsASiteTwice) {
  expect_unplanned("claims_twice", {"encoder.0.self.q is claimed twice", "by claims_twice"});
}

TEST(Planning, UnknownSite) { expect_unplanned("unknown_site", {"encoder.99.self.q", "encoder.0.self.q"}); }

TEST(Planning, WrongShape) { expect_unplanned("wrong_shape", {"encoder.input.prompt", "[0, 8]"}); }

TEST(Planning, UnknownParameter) {
  expect_unplanned("unknown_parameter",
                   {"encoder.final_layer_norm.wieght", "did you mean 'encoder.final_layer_norm.weight'"});
}

}  // namespace
}  // namespace peftbench
