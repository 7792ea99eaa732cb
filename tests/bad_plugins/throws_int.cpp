#include "bad_plugin.h"

static void register_method(peftbench::MethodRegistrar&) { throw 42; }
PEFTBENCH_PLUGIN(throws_int, "1", "", "", register_method);
