#include "bad_plugin.h"

namespace {
struct Claimer final : bad::Nothing {
  using Nothing::Nothing;
  void plan(const peftbench::BackboneSpec& backbone, peftbench::PlanBuilder& plan) override {
    plan.claim<bad::Unchanged>(backbone.linears({"q"}).front());
    plan.claim<bad::Unchanged>(backbone.linears({"q"}).front());
  }
};
void register_method(peftbench::MethodRegistrar& registrar) { registrar.method<Claimer>(); }
}  // namespace
PEFTBENCH_PLUGIN(claims_twice, "1", "", "", register_method);
