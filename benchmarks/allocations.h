#pragma once

#include <cstdint>

namespace peftbench::speed {

// Calls of malloc and the like so far, by all threads of this program.
std::int64_t allocations();

}  // namespace peftbench::speed
