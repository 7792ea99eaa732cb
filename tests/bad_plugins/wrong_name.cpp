#include "bad_plugin.h"

PEFTBENCH_PLUGIN(right_name, "1", "", "", bad::register_nothing);
