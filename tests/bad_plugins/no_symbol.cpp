// A right note, but its header was lost, as by a linker script that hides it.
#include "bad_plugin.h"

extern "C" __attribute__((visibility("default"))) const char* const only_a_note;
const char* const only_a_note = PEFTBENCH_ABI_NOTE;
