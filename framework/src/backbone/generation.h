#pragma once

#include "backbone/backbone.h"
#include "backbone/layer.h"

#include <vector>

namespace peftbench::backbone {

struct GenerationOptions {
  int64_t max_tokens = 62;      // new tokens, EOS counted
  int64_t beams = 1;            // 1: greedy
  double length_penalty = 1.0;  // a finished hypothesis scores Σ log p / length^penalty
};

// Generated ids of each sequence, without the decoder start, up to and without EOS. Rows beyond
// `vocabulary` ids (0: all rows) are never produced.
std::vector<std::vector<int64_t>> generate(const Backbone& backbone, const EncoderState& encoder,
                                           const CompiledPlan& plan, const GenerationOptions& options,
                                           int64_t vocabulary = 0);

}  // namespace peftbench::backbone
