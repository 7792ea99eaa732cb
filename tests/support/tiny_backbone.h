#pragma once

// A T5 of a few thousand weights with every awkward property: d_model ≠ heads · d_kv, an encoder deeper than the
// decoder, an odd number of heads.
#include "backbone/backbone.h"
#include "support/layers.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <memory>
#include <string>

namespace peftbench::support {

using namespace layers;

struct TinyOptions {
  bool gated = true;
  bool tied = false;
  uint64_t seed = 1;
  int64_t vocabulary = 40;
  Backend backend = Backend::reference;
};

inline BackboneSpec tiny_spec(const TinyOptions& options = {}) {
  BackboneSpec spec;
  spec.name = "tiny";
  spec.vocab_size = options.vocabulary;
  spec.d_model = 20;
  spec.d_kv = 4;
  spec.num_heads = 3;
  spec.d_ff = 24;
  spec.encoder_layers = 3;
  spec.decoder_layers = 2;
  spec.gated = options.gated;
  spec.tied = options.tied;
  spec.scale_logits = options.tied;
  spec.activation = options.gated ? Activation::gelu_tanh : Activation::relu;
  return spec;
}

// Weights large enough that attention is not flat and every site matters.
inline TensorMap tiny_tensors(const BackboneSpec& spec, uint64_t seed) {
  TensorMap tensors;
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const TensorEntry& entry : spec.tensors()) {
    Tensor value = at::empty(entry.shape).normal_(0, 1, generator);
    const bool norm = entry.name.ends_with("layer_norm.weight");
    tensors[entry.name] =
        norm ? value.mul_(0.1).add_(1) : value.mul_(1.2 / std::sqrt(static_cast<double>(entry.shape.back())));
  }
  return tensors;
}

inline std::shared_ptr<const Backbone> tiny_backbone(const TinyOptions& options = {}) {
  const BackboneSpec spec = tiny_spec(options);
  LoadOptions load;
  load.backend = options.backend;
  return Backbone::from_tensors(spec, tiny_tensors(spec, options.seed), load);
}

// Ids that avoid pad and EOS, different for every (length, seed).
inline std::vector<int64_t> some_ids(int64_t length, int64_t seed, int64_t vocabulary = 40) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < length; ++i) ids.push_back(2 + (seed * 7919 + i * 31 + i * i * 3) % (vocabulary - 2));
  return ids;
}

}  // namespace peftbench::support
