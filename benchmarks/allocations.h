#pragma once

#include <cstdint>
#include <optional>

namespace peftbench::speed {

// Calls of malloc and the like so far, by all threads of this program; nothing where they cannot be counted (another C
// library than glibc, AddressSanitizer).
std::optional<std::int64_t> allocations();

}  // namespace peftbench::speed
