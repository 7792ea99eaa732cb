#pragma once

#include "backbone/layer.h"

#include <peftbench/spec.h>

#include <vector>

namespace peftbench::backbone {

// Where the tensors and sites of each block stand in the backbone's tables: names are looked up once, at loading.
struct LinearWire {
  int tensor = -1;  // ParameterSite index
  int site = -1;    // LinearSite index
};
struct AttentionWire {
  LinearWire q, k, v, o;
  int norm = -1, kv_site = -1, sublayer_site = -1;
};
struct FeedForwardWire {
  LinearWire wi_0, wi_1, wo;  // wi_1 unused where not gated
  int norm = -1, sublayer_site = -1;
};
struct BlockWire {
  AttentionWire self, cross;  // cross in the decoder alone
  FeedForwardWire ffn;
  int block_site = -1;
};
struct StackWire {
  std::vector<BlockWire> blocks;
  int relative_bias = -1, final_norm = -1, last_block_site = -1;
};
struct Wiring {
  StackWire stacks[2];  // by Stack
  LinearWire embedding, lm_head;
};

Wiring wire(const BackboneSpec& spec);

}  // namespace peftbench::backbone
