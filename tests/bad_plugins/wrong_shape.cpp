#include "bad_plugin.h"

namespace {
struct Claimer final : bad::Nothing {
  using Nothing::Nothing;
  void plan(const peftbench::BackboneSpec& backbone, peftbench::PlanBuilder& plan) override {
    plan.parameter(backbone.encoder_input(), "prompt", {0, backbone.d_model}, peftbench::init::zeros());
  }
};
void register_method(peftbench::MethodRegistrar& registrar) { registrar.method<Claimer>(); }
}  // namespace
PEFTBENCH_PLUGIN(wrong_shape, "1", "", "", register_method);
