#include "bad_plugin.h"

PEFTBENCH_PLUGIN(good, "1.2.3", "Does nothing, well", "none", bad::register_nothing);
