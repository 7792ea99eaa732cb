#pragma once

#include "backbone/layer.h"
#include "plan/compiled_plan.h"

#include <peftbench/spec.h>

#include <cstdint>

namespace peftbench::backbone {

// Random fp32 weights as T5 begins pre-training (Mesh TensorFlow's and T5X's scales, which Hugging Face repeats):
// embeddings N(0, 1); q N(0, 1/(D·K)); k, v, wi N(0, 1/D); o N(0, 1/(H·K)); wo N(0, 1/F); relative biases N(0, 1/D);
// norms 1. An untied lm_head is N(0, 1/D) as in T5X, where Hugging Face has N(0, 1): with that the first logits are √D
// times too large. The same on every machine: each tensor has a stream of its own name.
TensorMap initial_weights(const BackboneSpec& spec, std::uint64_t seed);

}  // namespace peftbench::backbone
