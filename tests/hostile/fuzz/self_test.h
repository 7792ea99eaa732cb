#pragma once

namespace peftbench::hostile {

// Whether faults of every kind are found, counted as what they are, and survived: 0, or 1 with what was not on
// standard output.
int self_test();

}  // namespace peftbench::hostile
