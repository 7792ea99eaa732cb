// Fits in every respect, and shows that its code has run before anything could be asked of it.
#include "bad_plugin.h"

#include <cstdlib>
#include <fstream>

namespace {

__attribute__((constructor)) void mark() {
  if (const char* file = std::getenv("PEFTBENCH_TEST_MARK")) std::ofstream(file) << "opened";
}

}  // namespace

PEFTBENCH_PLUGIN(marks, "1", "", "", bad::register_nothing);
