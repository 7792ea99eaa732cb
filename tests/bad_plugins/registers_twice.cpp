#include "bad_plugin.h"

static void register_method(peftbench::MethodRegistrar& registrar) {
  registrar.method<bad::Nothing>();
  registrar.method<bad::Nothing>();
}
PEFTBENCH_PLUGIN(registers_twice, "1", "", "", register_method);
