#pragma once

#include "backbone/layer.h"

#include <peftbench/hooks.h>
#include <peftbench/layout.h>
#include <peftbench/tensor.h>

#include <c10/core/Device.h>

#include <cstdint>

namespace peftbench::backbone {

// T5's bucket of a relative position, key − query (Raffel et al. 2020; the equations of T5's and Hugging Face's code).
int64_t relative_bucket(int64_t relative, bool bidirectional, int64_t buckets, int64_t max_distance);

struct RelativeBias {
  Tensor table;  // [buckets, H]
  bool bidirectional = true;
  int64_t max_distance = 128;
};

// Additive scores [1, H, T, P + S] of keys at positions −P … S−1 for queries at positions 0 … T−1. Prefix columns
// follow `policy`.
Tensor position_scores(const RelativeBias& bias, int64_t queries, int64_t keys, int64_t prefix, PrefixBias policy);

// The same for one query a sequence: queries [B] and keys [B, S] positions → [B, H, 1, S].
Tensor position_scores(const RelativeBias& bias, const Tensor& query, const Tensor& keys);

// Additive mask: 0 where key column s of sequence b may be seen, a very negative number elsewhere.
Tensor length_mask(const TokenLayout& keys, int64_t prefix);  // [B, 1, 1, P + S]; undefined if nothing is hidden
Tensor causal_mask(int64_t queries, int64_t keys, int64_t prefix, c10::Device device = c10::kCPU);  // [1, 1, T, P + S]

}  // namespace peftbench::backbone
