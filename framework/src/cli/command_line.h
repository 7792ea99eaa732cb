#pragma once

#include "cli/layer.h"

#include <peftbench/export.h>

namespace peftbench::cli {

// The whole program: parses, does what is asked, prints. Returns the exit status: 0, 1 a failure, 2 the user's mistake,
// 130 interrupted. By its plain name, because the program loads it by hand (main.cpp).
extern "C" PEFTBENCH_API int peftbench_command_line(int argc, char** argv);

}  // namespace peftbench::cli
