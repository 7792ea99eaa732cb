#pragma once

#include "core/layer.h"

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace peftbench::core {

// Seed of a named random stream: every use of randomness has its own (init of a parameter, order of an epoch, dropout
// of a step), so resuming a run needs no generator state.
std::uint64_t stream_seed(std::uint64_t seed, std::string_view name, std::uint64_t index = 0);

// SplitMix64: the same numbers on every machine and standard library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::uint64_t below(std::uint64_t n);  // uniform in [0, n), unbiased
  double uniform();                      // [0, 1)
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace peftbench::core
