#include "bad_plugin.h"

namespace {
struct Thrower final : bad::Nothing {
  explicit Thrower(const peftbench::Values& values) : Nothing(values) { values.integer("never_declared"); }
};
void register_method(peftbench::MethodRegistrar& registrar) { registrar.method<Thrower>().param("rank", 1, ""); }
}  // namespace
PEFTBENCH_PLUGIN(throws_in_constructor, "1", "", "", register_method);
