#include "bad_plugin.h"

namespace {
struct Claimer final : bad::Nothing {
  using Nothing::Nothing;
  void plan(const peftbench::BackboneSpec& backbone, peftbench::PlanBuilder& plan) override {
    plan.train(backbone.parameter("encoder.final_layer_norm.wieght"));
  }
};
void register_method(peftbench::MethodRegistrar& registrar) { registrar.method<Claimer>(); }
}  // namespace
PEFTBENCH_PLUGIN(unknown_parameter, "1", "", "", register_method);
