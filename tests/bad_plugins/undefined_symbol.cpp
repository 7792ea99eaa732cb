#include "bad_plugin.h"

namespace elsewhere {
double defined_nowhere(int);
}

static void register_method(peftbench::MethodRegistrar& registrar) {
  registrar.method<bad::Nothing>().param("x", elsewhere::defined_nowhere(1), "");
}
PEFTBENCH_PLUGIN(undefined_symbol, "1", "", "", register_method);
