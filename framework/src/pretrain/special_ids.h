#pragma once

#include "pretrain/layer.h"
#include "text/tokenizer.h"

#include <cstdint>

namespace peftbench::pretrain {

// The ids that the objectives write between the words of a text.
struct SpecialIds {
  int64_t eos = 1;
  int64_t first_sentinel = 32099;  // T5's; the ids of the sentinels fall from here
  int64_t sentinels = 100;

  static SpecialIds of(const Tokenizer& tokenizer) {
    const int64_t count = tokenizer.sentinels();  // of those whose ids fall one by one
    return {tokenizer.eos_id(), count > 0 ? tokenizer.sentinel(0) : -1, count};
  }
  int64_t sentinel(int64_t k) const { return first_sentinel - k; }
};

}  // namespace peftbench::pretrain
