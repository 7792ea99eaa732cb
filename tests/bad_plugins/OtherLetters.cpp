// The macro refuses such a name when it is compiled; a header made by hand does not.
#include "bad_plugin.h"

FORGED_HEADER(sizeof(peftbench::PluginHeader), PEFTBENCH_API_VERSION, PEFTBENCH_ABI_NOTE, "OtherLetters", "1", "", "",
              &peftbench::detail::torch_identity, bad::register_nothing)
