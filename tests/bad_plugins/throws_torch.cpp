// LibTorch's errors carry a stack trace, which nobody should be shown.
#include "bad_plugin.h"

static void register_method(peftbench::MethodRegistrar&) { TORCH_CHECK(false, "sizes do not match"); }
PEFTBENCH_PLUGIN(throws_torch, "1", "", "", register_method);
