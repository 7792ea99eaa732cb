// The same targets for clang's libFuzzer: PEFTBENCH_HOSTILE_TARGET names one of them.
#include "fuzz/outcome.h"

#include <cstdlib>
#include <iostream>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace peftbench::hostile;
  static const Target* const target = [] {
    const char* name = std::getenv("PEFTBENCH_HOSTILE_TARGET");
    for (const Target& candidate : targets())
      if (name && name == std::string_view(candidate.name)) {
        enter(candidate);
        return &candidate;
      }
    std::cerr << "PEFTBENCH_HOSTILE_TARGET names no target\n";
    std::exit(2);
  }();
  std::string reason;
  if (run_input(*target, {reinterpret_cast<const char*>(data), size}, reason) == Ending::untold) {
    std::cerr << reason << "\n";
    std::abort();
  }
  return 0;
}
