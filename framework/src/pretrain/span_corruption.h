#pragma once

#include "core/random.h"
#include "data/prepared/encode.h"
#include "pretrain/layer.h"
#include "pretrain/special_ids.h"

#include <cstdint>
#include <span>
#include <vector>

namespace peftbench::pretrain {

struct SpanLengths {
  int64_t raw;      // tokens of a segment of text
  int64_t targets;  // tokens of its target, EOS included
  int64_t spans;    // of noise in it
};

// The longest segment whose corrupted input has at most `inputs` tokens, EOS included: T5's random_spans_helper.
// Throws ConfigError if there is none, and for a density outside (0, 1) or a mean span below 1.
SpanLengths span_lengths(int64_t inputs, double density, double mean_span);

// True where a token is noise. A mask of n > 1 begins with text and ends with noise; how the tokens are shared out
// among the runs is uniform among all ways to do so.
std::vector<bool> noise_mask(int64_t n, double density, double mean_span, Random& random);

// T5's span corruption: each run of noise becomes a sentinel of the input, each run of text one of the target.
// As in T5's code, the target has no sentinel after its last run. Throws ConfigError if the sentinels do not suffice.
EncodedExample corrupt_spans(std::span<const int64_t> ids, double density, double mean_span, const SpecialIds& special,
                             Random& random);

}  // namespace peftbench::pretrain
