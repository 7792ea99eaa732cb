#include "bad_plugin.h"

static void register_method(peftbench::MethodRegistrar&) {}
PEFTBENCH_PLUGIN(registers_nothing, "1", "", "", register_method);
