#pragma once

#include "support/layers.h"

namespace peftbench::hostile {

using namespace layers;

// Whether faults of every kind are found, counted as what they are, and survived: 0, or 1 with what was not on
// standard output.
int self_test();

}  // namespace peftbench::hostile
