#include "bad_plugin.h"

PEFTBENCH_PLUGIN(OtherLetters, "1", "", "", bad::register_nothing);
