#pragma once

#include "data/task.h"
#include "text/tokenizer.h"

#include <peftbench/hooks.h>

#include <cstdint>
#include <vector>

namespace peftbench {

// An example as ids, ready to be packed.
struct EncodedExample {
  std::vector<int64_t> input;   // EOS at the end; pad id at slots
  std::vector<int64_t> slots;   // −1 or the slot's number, as long as input; empty without slots
  std::vector<int64_t> target;  // EOS at the end
  int label = -1;
};

struct EncodeLimits {
  int64_t max_input_tokens = 512;
  int64_t max_target_tokens = 62;
};

// Tokenizes adjacent text pieces as one string. `layout` (may be null) rearranges the pieces first. Slots do not
// count towards the limit; text is cut at the end, EOS is kept.
std::vector<EncodedExample> encode_all(const std::vector<TextExample>& examples, const Tokenizer& tokenizer,
                                       const EncodeLimits& limits, const LayoutHook* layout,
                                       const std::vector<TextExample>& training_set, int64_t pad_id, int64_t eos_id);

}  // namespace peftbench
