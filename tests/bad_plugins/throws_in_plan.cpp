#include "bad_plugin.h"

#include <stdexcept>

namespace {
struct Thrower final : bad::Nothing {
  using Nothing::Nothing;
  void plan(const peftbench::BackboneSpec&, peftbench::PlanBuilder&) override { throw std::logic_error("half a plan"); }
};
void register_method(peftbench::MethodRegistrar& registrar) { registrar.method<Thrower>(); }
}  // namespace
PEFTBENCH_PLUGIN(throws_in_plan, "1", "", "", register_method);
