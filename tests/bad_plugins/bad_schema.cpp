#include "bad_plugin.h"

static void register_method(peftbench::MethodRegistrar& registrar) {
  registrar.method<bad::Nothing>()
      .param("rank", 0, "")
      .range(1, 8)
      .param("rank", 2, "")
      .param("init", "nowhere", "")
      .choices({"zeros", "ones"});
}
PEFTBENCH_PLUGIN(bad_schema, "1", "", "", register_method);
