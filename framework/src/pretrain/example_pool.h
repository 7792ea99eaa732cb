#pragma once

#include "data/prepared/encode.h"
#include "pretrain/layer.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace peftbench::pretrain {

// One objective's endless stream of examples, and what is held out for its loss.
struct ExamplePool {
  std::string objective;                                 // span_corruption, prefix_lm, tasks
  double share = 1;                                      // of a step
  std::function<EncodedExample(std::int64_t index)> at;  // pure: a resumed run needs no more than the index
  std::vector<EncodedExample> held_out;
};

// Examples from `cursor` on, as many as fit `budget` input tokens (at least one), packed: sequences lie one after
// another and attention stays within each, as with T5's segment ids. Moves the cursor.
std::vector<EncodedExample> draw_packed(const ExamplePool& pool, std::int64_t budget, std::int64_t& cursor);

}  // namespace peftbench::pretrain
