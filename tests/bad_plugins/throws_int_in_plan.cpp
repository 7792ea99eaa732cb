#include "bad_plugin.h"

namespace {
struct Thrower final : bad::Nothing {
  using Nothing::Nothing;
  void plan(const peftbench::BackboneSpec&, peftbench::PlanBuilder&) override { throw 7; }
};
void register_method(peftbench::MethodRegistrar& registrar) { registrar.method<Thrower>(); }
}  // namespace
PEFTBENCH_PLUGIN(throws_int_in_plan, "1", "", "", register_method);
