// Plans well, but its hook loses columns when it is called.
#include "bad_plugin.h"

namespace {
struct Narrower final : peftbench::LinearHook {
  peftbench::Tensor apply(const peftbench::LinearCall& call) const override { return call.base().narrow(1, 0, 1); }
};
struct Claimer final : bad::Nothing {
  using Nothing::Nothing;
  void plan(const peftbench::BackboneSpec& backbone, peftbench::PlanBuilder& plan) override {
    plan.claim<Narrower>(backbone.linears({"q"}).front());
  }
};
void register_method(peftbench::MethodRegistrar& registrar) { registrar.method<Claimer>(); }
}  // namespace
PEFTBENCH_PLUGIN(wrong_rows, "1", "", "", register_method);
