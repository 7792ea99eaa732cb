#pragma once

#include "cli/layer.h"

namespace peftbench::cli {

// Says on standard error what the exception in flight is, in words of ours where a library threw it. Returns the exit
// status. To be called in a catch block.
int tell_failure();

}  // namespace peftbench::cli
