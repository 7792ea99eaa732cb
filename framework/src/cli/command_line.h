#pragma once

#include <peftbench/export.h>

namespace peftbench {

// The whole program: parses, does what is asked, prints. Returns the exit status: 0, 1 a failure, 2 the user's
// mistake, 130 interrupted.
PEFTBENCH_API int command_line(int argc, char** argv);

}  // namespace peftbench
