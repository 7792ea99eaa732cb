#pragma once

#include "config/layer.h"

namespace peftbench::config {

// The git checkout that the program was built from. cmake/commit.cmake writes their source at each build.
extern const char* const built_commit;  // hexadecimal; "" where there was no checkout
extern const char* const built_tree;    // clean, changed, or "" where git does not tell

}  // namespace peftbench::config
