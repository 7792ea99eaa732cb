#include "backbone/layers/position_bias.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace peftbench::backbone {
namespace {

// Finite, so that a row whose keys are all hidden gives no NaN.
constexpr double hidden = std::numeric_limits<float>::lowest() / 2;

// Buckets of the relative positions low … high, in order.
Tensor bucket_range(const RelativeBias& bias, int64_t low, int64_t high) {
  std::vector<int64_t> out;
  for (int64_t relative = low; relative <= high; ++relative) {
    out.push_back(relative_bucket(relative, bias.bidirectional, bias.table.size(0), bias.max_distance));
  }
  return at::from_blob(out.data(), {static_cast<int64_t>(out.size())}, at::kLong)
      .to(bias.table.device(), at::kLong, false, true);
}

Tensor hidden_where(const Tensor& unseen) {
  return at::zeros(unseen.sizes(), unseen.options().dtype(at::kFloat)).masked_fill_(unseen, hidden);
}

}  // namespace

int64_t relative_bucket(int64_t relative, bool bidirectional, int64_t buckets, int64_t max_distance) {
  int64_t bucket = 0, distance = 0;
  if (bidirectional) {
    buckets /= 2;
    if (relative > 0) bucket = buckets;
    distance = std::abs(relative);
  } else {
    distance = std::max<int64_t>(-relative, 0);
  }
  const int64_t exact = buckets / 2;
  if (distance < exact) return bucket + distance;
  // In float, as the trained models computed it.
  const float scaled = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                       static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact))) *
                       static_cast<float>(buckets - exact);
  return bucket + std::min(exact + static_cast<int64_t>(scaled), buckets - 1);
}

Tensor position_scores(const RelativeBias& bias, int64_t queries, int64_t keys, int64_t prefix, PrefixBias policy) {
  // All diagonals are alike: embed each relative position once, then spread over the [T, P + S] places.
  const bool shifted = prefix > 0 && policy == PrefixBias::before_sequence;
  const int64_t first = shifted ? -prefix : 0;
  const int64_t low = first - (queries - 1);
  const Tensor by_distance = at::embedding(bias.table, bucket_range(bias, low, keys - 1));  // [R, H]
  const auto options = at::TensorOptions(at::kLong).device(bias.table.device());
  const Tensor places = at::arange(first, keys, options).unsqueeze(0) - at::arange(queries, options).unsqueeze(1) - low;
  Tensor scores = at::embedding(by_distance, places).permute({2, 0, 1}).unsqueeze(0);  // [1, H, T, first…S−1]
  if (prefix > 0 && !shifted) {
    scores = at::cat({at::zeros({1, scores.size(1), queries, prefix}, scores.options()), scores}, 3);
  }
  return scores;
}

Tensor position_scores(const RelativeBias& bias, const Tensor& query, const Tensor& keys) {
  const Tensor relative = keys - query.unsqueeze(1);  // [B, S]
  const int64_t low = relative.min().item<int64_t>();
  const Tensor buckets = bucket_range(bias, low, relative.max().item<int64_t>());
  const Tensor index = buckets.index_select(0, (relative - low).flatten().to(buckets.device())).view(relative.sizes());
  return at::embedding(bias.table, index).permute({0, 2, 1}).unsqueeze(2);
}

Tensor length_mask(const TokenLayout& keys, int64_t prefix) {
  int64_t longest = 0;
  for (int64_t length : keys.lengths) longest = std::max(longest, length);
  if (keys.rows() == longest * keys.sequences()) return {};
  std::vector<int64_t> lengths = keys.lengths;
  const Tensor ends =
      at::from_blob(lengths.data(), {keys.sequences(), 1}, at::kLong).to(keys.device, at::kLong, false, /*copy=*/true);
  const Tensor past_end = at::arange(-prefix, longest, ends.options()).unsqueeze(0) >= ends;  // [B, P + S]
  return hidden_where(past_end).unsqueeze(1).unsqueeze(1);
}

Tensor causal_mask(int64_t queries, int64_t keys, int64_t prefix, c10::Device device) {
  const auto options = at::TensorOptions(at::kLong).device(device);
  const Tensor future = at::arange(-prefix, keys, options).unsqueeze(0) > at::arange(queries, options).unsqueeze(1);
  return hidden_where(future).unsqueeze(0).unsqueeze(0);
}

}  // namespace peftbench::backbone
