#pragma once

#include "core/random.h"
#include "data/prepared/encode.h"
#include "pretrain/layer.h"

#include <cstdint>
#include <span>

namespace peftbench::pretrain {

// Language modelling with a prefix, which Lester et al. adapt T5 with: the encoder reads the first k tokens, the
// decoder says the rest; k is uniform in 1 … n − 1. Throws Error for less than two tokens.
EncodedExample prefix_lm(std::span<const int64_t> ids, int64_t eos, Random& random);

}  // namespace peftbench::pretrain
