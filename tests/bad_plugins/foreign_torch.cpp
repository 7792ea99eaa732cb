#include "bad_plugin.h"

// What a statically linked second LibTorch would give: an address of its own.
static const void* other_identity() {
  static const int here = 0;
  return &here;
}
FORGED_HEADER(sizeof(peftbench::PluginHeader), PEFTBENCH_API_VERSION, PEFTBENCH_ABI_NOTE, "foreign_torch", "1", "", "",
              &other_identity, &bad::register_nothing)
