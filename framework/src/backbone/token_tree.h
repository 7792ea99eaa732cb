#pragma once

#include "backbone/layer.h"

#include <cstdint>
#include <vector>

namespace peftbench::backbone {

// Decoder inputs that begin alike, with each common beginning once: node t is the token ids[t] after the nodes above
// it.
struct TokenTree {
  std::vector<int64_t> ids;      // [T] the decoder's start first
  std::vector<int64_t> parents;  // [T] the node before each, of a lower number; −1 for the first
  int64_t size() const { return static_cast<int64_t>(ids.size()); }
};

}  // namespace peftbench::backbone
