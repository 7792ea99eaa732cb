#pragma once

#include "support/layers.h"

#include <cstddef>

namespace peftbench::hostile {

using namespace layers;

// Which ways the readers' code was left by since the start, as GCC's -fsanitize-coverage=trace-pc tells it.
void begin_coverage();
std::size_t end_coverage();  // how many ways were new

}  // namespace peftbench::hostile
