#pragma once

#include "core/layer.h"

#include <cstddef>
#include <functional>

namespace peftbench::core {

// Calls `work` for 0 … count−1 from at most so many threads, this one among them, and returns when all are done. Throws
// what the first of them threw that failed; a thread starts nothing more after a failure. Few calls, up to
// `at_a_time`, are made here, since starting a thread would take longer.
void in_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work,
                 std::size_t at_a_time = 32);

}  // namespace peftbench::core
