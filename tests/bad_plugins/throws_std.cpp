#include "bad_plugin.h"

#include <stdexcept>

static void register_method(peftbench::MethodRegistrar&) { throw std::out_of_range("no such thing"); }
PEFTBENCH_PLUGIN(throws_std, "1", "", "", register_method);
