#pragma once

#include "data/layer.h"
#include "data/prepared/example_list.h"
#include "data/prepared/text_counts.h"
#include "data/task/task.h"
#include "text/tokenizer.h"

#include <peftbench/hooks.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace peftbench::data {

struct EncodeLimits {
  int64_t max_input_tokens = 512;
  int64_t max_target_tokens = 62;
  std::vector<int64_t> target_prefix = {};  // ids before every target, beyond its limit
};

// What rearranges an example's pieces before they are tokenized.
struct Arrangement {
  const LayoutHook* hook = nullptr;                        // null: pieces are not changed
  const std::vector<TextExample>* training_set = nullptr;  // null: none to draw from
  int64_t replicas = 1;                                    // copies of an example that are laid out each on its own
  uint64_t seed = 0;
};

using Tokenize = std::function<std::vector<int64_t>(const std::string&)>;  // without EOS

// An input given as ids, with EOS, changed by the hook. Throws DataError without EOS.
EncodedInput arrange_ids(const std::vector<int64_t>& ids, const LayoutHook& hook, const Tokenize& tokenize,
                         int64_t pad_id, int64_t eos_id);

// Tokenizes adjacent text pieces as one string. Slots do not count towards the limit; text is cut at the end, EOS is
// kept. Threads tokenize; a hook is called from one, in the order of the examples. `cuts`: what each example lost.
std::vector<EncodedExample> encode_all(const std::vector<TextExample>& examples, const Tokenizer& tokenizer,
                                       const EncodeLimits& limits, const Arrangement& arrangement, int64_t pad_id,
                                       int64_t eos_id, int threads = 1, std::vector<Cut>* cuts = nullptr);

}  // namespace peftbench::data
