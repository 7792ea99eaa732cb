#include "bad_plugin.h"

namespace {
struct Claimer final : bad::Nothing {
  using Nothing::Nothing;
  void plan(const peftbench::BackboneSpec& backbone, peftbench::PlanBuilder& plan) override {
    peftbench::LinearSite site = backbone.linears({"q"}).front();
    site.layer = 99;
    plan.claim<bad::Unchanged>(site);
  }
};
void register_method(peftbench::MethodRegistrar& registrar) { registrar.method<Claimer>(); }
}  // namespace
PEFTBENCH_PLUGIN(unknown_site, "1", "", "", register_method);
