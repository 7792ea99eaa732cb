#pragma once

#include "backbone/backbone.h"
#include "data/prepared/encode.h"
#include "eval/layer.h"

#include <cstdint>
#include <map>
#include <vector>

namespace peftbench::eval {

struct EncoderCacheCounts {
  std::int64_t hits = 0, misses = 0, entries = 0, bytes = 0;
};

// Frozen encoder outputs, each computed from its example alone, so caching does not affect results.
// The first entries are kept: in passes over shuffled data this has more hits than dropping the oldest.
class EncoderCache {
 public:
  EncoderCache(const Backbone& backbone, std::int64_t most_bytes) : backbone_(backbone), most_bytes_(most_bytes) {}
  // States of the examples as one batch.
  EncoderState encode(const std::vector<const EncodedExample*>& examples, std::vector<std::int64_t> groups);
  const EncoderCacheCounts& counts() const { return counts_; }

 private:
  Tensor state_of(const EncodedExample& example);
  const Backbone& backbone_;
  std::int64_t most_bytes_;
  std::map<std::vector<std::int64_t>, Tensor> states_;  // by input ids
  EncoderCacheCounts counts_;
};

}  // namespace peftbench::eval
