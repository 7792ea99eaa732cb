#pragma once

#include "backbone/layer.h"
#include "backbone/layers/block_stack.h"
#include "backbone/layers/head.h"

#include <peftbench/spec.h>

#include <memory>
#include <vector>

namespace peftbench::backbone {

// The layers of a backbone. Const once it is built.
struct Network {
  Embedding embedding;
  BlockStack encoder, decoder;
  Head head;
  std::shared_ptr<const FrozenLinear> head_map;  // of the head
};

// `tensors`: by ParameterSite index; those of linear maps are FrozenLinear.
std::unique_ptr<const Network> build_network(const BackboneSpec& spec,
                                             const std::vector<std::shared_ptr<const FrozenTensor>>& tensors,
                                             Backend backend);

}  // namespace peftbench::backbone
