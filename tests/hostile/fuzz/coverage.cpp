// Built without instrumentation: it is what the instrumented code calls at every branch.
#include "fuzz/coverage.h"
#include "support/layers.h"

#include <array>
#include <bit>
#include <cstdint>

namespace {

constexpr std::size_t size = 1 << 18;
std::array<std::uint8_t, size> seen;    // of a way, the powers of two in which it was counted
std::array<std::uint8_t, size> counts;  // of this input
std::array<std::uint32_t, size> touched;
std::size_t touched_count = 0;
std::uintptr_t before = 0;
bool counting = false;

}  // namespace

extern "C" void __sanitizer_cov_trace_pc();
extern "C" void __sanitizer_cov_trace_pc() {
  if (!counting) return;
  // Relative to this function, so that the same input gives the same places in every process.
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0)) -
                    reinterpret_cast<std::uintptr_t>(&__sanitizer_cov_trace_pc);
  const std::size_t way = ((here * 0x9e3779b97f4a7c15u >> 32) ^ before) % size;
  before = way >> 1;
  if (counts[way] == 0) touched[touched_count++] = static_cast<std::uint32_t>(way);
  if (counts[way] < 255) ++counts[way];
}

namespace peftbench::hostile {

using namespace layers;

void begin_coverage() {
  for (std::size_t i = 0; i < touched_count; ++i) counts[touched[i]] = 0;
  touched_count = 0;
  before = 0;
  counting = true;
}

std::size_t end_coverage() {
  counting = false;
  std::size_t fresh = 0;
  for (std::size_t i = 0; i < touched_count; ++i) {
    const std::size_t way = touched[i];
    const auto bucket = static_cast<std::uint8_t>(1 << (std::bit_width(counts[way]) - 1));
    if ((seen[way] & bucket) == 0) {
      seen[way] |= bucket;
      ++fresh;
    }
  }
  return fresh;
}

}  // namespace peftbench::hostile
