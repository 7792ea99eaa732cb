#include "backbone/layers/attention.h"

#include "backbone/kernels/attend.h"
#include "backbone/kernels/attend_rows.h"
#include "backbone/kernels/segments.h"

#include <peftbench/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace peftbench::backbone {
namespace {

KvPrefix checked_prefix(const detail::PlanGroup& group, const KvSite& site, const RunContext& context) {
  KvPrefix prefix = group.kv[static_cast<std::size_t>(site.index)]->prefix(context);
  const Shape shape{site.heads, prefix.keys.dim() == 3 ? prefix.keys.size(1) : -1, site.head_size};
  if (prefix.keys.sizes() != at::IntArrayRef(shape) || prefix.values.sizes() != prefix.keys.sizes()) {
    throw ConfigError(
        {"the hook of " + group.method + " at " + site.name() + " returned wrong shapes",
         c10::str("keys ", prefix.keys.sizes(), ", values ", prefix.values.sizes()),
         "keys and values [" + std::to_string(site.heads) + ", P, " + std::to_string(site.head_size) + "]",
         "fix the hook"});
  }
  return prefix;
}

bool claims(const detail::PlanGroup* group, const KvSite& site) {
  return group != nullptr && group->kv[static_cast<std::size_t>(site.index)] != nullptr;
}

}  // namespace

Attention::Attention(Maps maps, KvSite site, std::shared_ptr<const PositionBias> bias, double scale, Backend backend,
                     at::ScalarType products)
    : maps_(std::move(maps)),
      site_(std::move(site)),
      bias_(std::move(bias)),
      scale_(scale),
      backend_(backend),
      products_(products) {}

Tensor Attention::over_itself(const NormedRows& x, const Rows& rows, AttentionScores& scores, KeyValues* kept) const {
  const std::vector<Tensor> qkv = x.through({&maps_.q, &maps_.k, &maps_.v});
  if (kept == nullptr && backend_ == Backend::fast) return attend_packed(qkv[0], {qkv[1], qkv[2]}, rows, rows, scores);
  KeyValues memory{heads_of(qkv[1], rows), heads_of(qkv[2], rows)};
  if (kept != nullptr) {
    if (!kept->empty()) memory = {at::cat({kept->keys, memory.keys}, 2), at::cat({kept->values, memory.values}, 2)};
    *kept = memory;
  }
  return attend(qkv[0], memory, rows, scores);
}

Tensor Attention::over_encoder(const NormedRows& x, const Rows& rows, const EncoderRows& encoder,
                               AttentionScores& scores, KeyValues* kept) const {
  const Tensor q = x.through({&maps_.q}).front();
  if (kept != nullptr && !kept->empty()) return attend(q, *kept, rows, scores);
  if (kept == nullptr && reads_rows(q, rows, encoder)) return attend_rows(q, rows, encoder, scores);
  const std::vector<Tensor> kv = through(encoder.hidden, encoder.rows, {&maps_.k, &maps_.v});
  if (kept == nullptr && backend_ == Backend::fast) return attend_packed(q, {kv[0], kv[1]}, rows, encoder.rows, scores);
  const KeyValues memory{heads_of(kv[0], encoder.rows), heads_of(kv[1], encoder.rows)};
  if (kept != nullptr) *kept = {memory.keys.contiguous(), memory.values.contiguous()};
  return attend(q, memory, rows, scores);
}

Tensor Attention::heads_of(const Tensor& packed, const Rows& rows) const {
  const Tensor padded = rows.map().pad(packed);
  return padded.view({padded.size(0), padded.size(1), site_.heads, site_.head_size}).transpose(1, 2);
}

bool Attention::plans_differ(const Rows& rows) const {
  if (rows.ranges().size() == 1) return false;
  return (bias_ != nullptr && bias_->differs(rows)) ||
         std::any_of(rows.ranges().begin(), rows.ranges().end(),
                     [&](const GroupRange& range) { return claims(range.group, site_); });
}

Tensor Attention::attend(const Tensor& q, const KeyValues& memory, const Rows& rows, AttentionScores& scores) const {
  const Tensor queries = heads_of(q, rows);
  const auto packed = [&](const Tensor& out, const RowMap& map) {
    return map.unpad(out.transpose(1, 2).reshape({out.size(0), out.size(2), q.size(1)}));
  };
  if (!plans_differ(rows)) {
    return packed(
        attend_part(queries, memory, rows.ranges().front().group, AttentionScores::whole, rows.context(), scores),
        rows.map());
  }
  std::vector<Tensor> parts;
  for (std::size_t r = 0; r < rows.ranges().size(); ++r) {
    const GroupRange& range = rows.ranges()[r];
    const auto cut = [&](const Tensor& heads, int64_t length) {
      return heads.narrow(0, range.first_sequence, range.layout.sequences()).narrow(2, 0, length);
    };
    const auto part = static_cast<int>(r);
    const int64_t keys = scores.keys(part);
    parts.push_back(
        packed(attend_part(cut(queries, rows.map(r).longest()), {cut(memory.keys, keys), cut(memory.values, keys)},
                           range.group, part, rows.context(), scores),
               rows.map(r)));
  }
  return at::cat(parts);
}

Tensor Attention::attend_packed(const Tensor& q, const KeyValues& packed, const Rows& rows, const Rows& sources,
                                AttentionScores& scores) const {
  const bool differ = plans_differ(rows);
  std::vector<Tensor> parts;
  for (std::size_t r = 0; r < (differ ? rows.ranges().size() : 1); ++r) {
    const GroupRange &to = rows.ranges()[r], &from = sources.ranges()[r];
    const int part = differ ? static_cast<int>(r) : AttentionScores::whole;
    const auto cut = [&](const Tensor& x, const GroupRange& range) { return differ ? rows_of(x, range) : x; };
    kernels::AttendInputs inputs{cut(q, to), cut(packed.keys, from), cut(packed.values, from), {}, {}, {}};
    PrefixBias policy = PrefixBias::none;
    if (claims(to.group, site_)) {
      const KvPrefix prefix = checked_prefix(*to.group, site_, rows.context());
      inputs.prefix_keys = prefix.keys;
      inputs.prefix_values = prefix.values;
      policy = prefix.bias;
    }
    const int64_t before = inputs.prefix_keys.defined() ? inputs.prefix_keys.size(1) : 0;
    inputs.added = scores.packed(bias_.get(), part, before, policy);
    const RowMap& queries = differ ? rows.map(r) : rows.map();
    parts.push_back(kernels::attend(
        inputs, {.heads = site_.heads,
                 .scale = scale_,
                 .queries = (differ ? to.layout : rows.layout()).offsets,
                 .keys = (differ ? from.layout : sources.layout()).offsets,
                 .dropout = rows.context().weight_masks(site_.heads, queries.longest(), before + scores.keys(part)),
                 .products = products_}));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

bool Attention::reads_rows(const Tensor& q, const Rows& rows, const EncoderRows& encoder) const {
  if (backend_ != Backend::fast || bias_ != nullptr || plans_differ(rows) || !maps_.k.frozen(encoder.rows))
    return false;
  // Multiplications of the scores of one head: x·(W_kᵀ q) against (W_k x)·q. Values cost the same again.
  const int64_t queries = q.size(0), keys = encoder.hidden.size(0), depth = encoder.hidden.size(1),
                size = site_.head_size, each = keys / rows.layout().sequences();
  const int64_t of_rows = queries * depth * (size + each), of_keys = keys * depth * size + queries * size * each;
  return 2 * of_rows < of_keys;
}

Tensor Attention::attend_rows(const Tensor& q, const Rows& rows, const EncoderRows& encoder,
                              AttentionScores& scores) const {
  const int64_t heads = site_.heads, size = site_.head_size;
  const auto keys = maps_.k.frozen(encoder.rows), values = maps_.v.frozen(encoder.rows);
  kernels::RowsInputs inputs{
      kernels::products_by_head(q, keys->heads(heads), /*transposed=*/true), encoder.hidden, {}, {}};
  if (!values) inputs.v = through(encoder.hidden, encoder.rows, {&maps_.v}).front();
  // By head: [N, H, ·] and back.
  const auto by_head = [](const Tensor& x) { return x.transpose(0, 1); };
  std::optional<KvPrefix> prefix;
  if (claims(rows.ranges().front().group, site_)) {
    prefix = checked_prefix(*rows.ranges().front().group, site_, rows.context());
    inputs.before = by_head(at::matmul(by_head(q.view({-1, heads, size})), prefix->keys.transpose(1, 2)));
  }
  const int64_t before = prefix ? prefix->keys.size(1) : 0;
  const auto attended =
      kernels::attend_rows(inputs, {.heads = heads,
                                    .scale = scale_,
                                    .queries = rows.layout().offsets,
                                    .keys = encoder.rows.layout().offsets,
                                    .dropout = rows.context().weight_masks(
                                        heads, rows.map().longest(), before + scores.keys(AttentionScores::whole)),
                                    .products = products_});
  Tensor out =
      values ? kernels::products_by_head(attended.out, values->heads(heads), /*transposed=*/false) : attended.out;
  if (prefix) out = out + by_head(at::matmul(by_head(attended.weights), prefix->values)).reshape(out.sizes());
  return out;
}

Tensor Attention::attend_part(const Tensor& q, const KeyValues& memory, const detail::PlanGroup* group, int part,
                              const RunContext& context, AttentionScores& scores) const {
  Tensor keys = memory.keys, values = memory.values, added;
  if (claims(group, site_)) {
    const KvPrefix prefix = checked_prefix(*group, site_, context);
    const auto before = [&](const Tensor& rows, const Tensor& own) {
      return at::cat({own.unsqueeze(0).expand({rows.size(0), -1, -1, -1}), rows}, 2);
    };
    keys = before(keys, prefix.keys);
    values = before(values, prefix.values);
    added = scores.of(bias_.get(), part, prefix.keys.size(1), prefix.bias);
  } else {
    added = scores.of(bias_.get(), part, 0, PrefixBias::none);
  }
  Tensor products = at::matmul(q, keys.transpose(2, 3));
  if (scale_ != 1.0) products = products * scale_;
  if (added.defined()) products = products + added;
  return at::matmul(context.attention_dropout(at::softmax(products, -1)), values);
}

}  // namespace peftbench::backbone
