#include "bad_plugin.h"

extern "C" int absent();
static void register_method(peftbench::MethodRegistrar& registrar) {
  registrar.method<bad::Nothing>().param("x", absent(), "");
}
PEFTBENCH_PLUGIN(needs_library, "1", "", "", register_method);
