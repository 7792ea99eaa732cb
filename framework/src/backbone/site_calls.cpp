#include "backbone/site_calls.h"

#include <peftbench/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/rsqrt.h>

#include <algorithm>

namespace peftbench::backbone {
namespace {

// A stand-in or nothing.
Tensor override_of(const detail::PlanGroup* group, int tensor) {
  if (!group || group->overrides.empty()) return {};
  return group->overrides[static_cast<std::size_t>(tensor)];
}

Tensor rows_of(const Tensor& x, const GroupRange& range) {
  return range.layout.rows() == x.size(0) ? x : x.narrow(0, range.first_row, range.layout.rows());
}

void check_shape(const Tensor& got, at::IntArrayRef expected, const std::string& what, const detail::PlanGroup* group) {
  if (got.sizes() == expected) return;
  throw ConfigError({"a hook of " + group->method + " returned a wrong shape at " + what, c10::str(got.sizes()),
                     c10::str(expected), "fix the hook: it must keep the number of rows"});
}

// The value of `make`, computed at most once.
std::function<Tensor()> once(std::function<Tensor()> make) {
  return [make = std::move(make), value = std::make_shared<Tensor>()] {
    if (!value->defined()) *value = make();
    return *value;
  };
}

}  // namespace

Rows::Rows(TokenLayout batch, const CompiledPlan& plan) : layout(std::move(batch)) {
  const auto& groups = plan.groups();
  for (int64_t first = 0; first < layout.sequences();) {
    const int64_t number = layout.groups[static_cast<std::size_t>(first)];
    int64_t last = first;
    while (last < layout.sequences() && layout.groups[static_cast<std::size_t>(last)] == number) ++last;
    if (number < 0 || (number > 0 && number >= static_cast<int64_t>(groups.size()))) {
      throw Error({.what = "a sequence belongs to an unknown plan",
                   .found = "group " + std::to_string(number),
                   .expected = "0 to " + std::to_string(static_cast<int64_t>(groups.size()) - 1)});
    }
    const detail::PlanGroup* group = groups.empty() ? nullptr : groups[static_cast<std::size_t>(number)].get();
    const bool all = first == 0 && last == layout.sequences();
    ranges.push_back({group, layout.offsets[static_cast<std::size_t>(first)], first,
                      all ? layout : layout.slice(first, last - first)});
    first = last;
  }
  if (ranges.empty()) throw Error("a batch without sequences");
}

template <class Has, class Apply>
Tensor SiteCalls::by_range(const Rows& rows, Has has, Apply hooked, const std::function<Tensor()>& whole) const {
  if (std::none_of(rows.ranges.begin(), rows.ranges.end(),
                   [&](const GroupRange& range) { return range.group && has(*range.group); })) {
    return whole();
  }
  std::vector<Tensor> parts;
  for (const GroupRange& range : rows.ranges) {
    parts.push_back(range.group && has(*range.group) ? hooked(range) : rows_of(whole(), range));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

Tensor SiteCalls::tensor_of(const detail::PlanGroup* group, int tensor) const {
  const Tensor replaced = override_of(group, tensor);
  return replaced.defined() ? replaced : backbone_.frozen(tensor).to(at::kFloat);
}

bool SiteCalls::has_override(const Rows& rows, int tensor) const {
  return std::any_of(rows.ranges.begin(), rows.ranges.end(),
                     [&](const GroupRange& range) { return override_of(range.group, tensor).defined(); });
}

Tensor SiteCalls::map_frozen(const Tensor& x, int tensor) const {
  if (const auto& quantized = backbone_.quantized(tensor)) {
    const bool narrow = backbone_.precision() == Precision::bfloat16;
    return quantized_linear(narrow ? x.to(at::kBFloat16) : x, quantized).to(at::kFloat);
  }
  const Tensor weight = backbone_.frozen(tensor);
  if (weight.scalar_type() == at::kFloat) return at::linear(x, weight);
  if (tensor == backbone_.wiring().lm_head.tensor) {
    // Logits are fp32 whatever the weights are; by pieces, so no fp32 copy of a large table stands at once.
    constexpr int64_t piece = 4096;
    std::vector<Tensor> parts;
    for (int64_t first = 0; first < weight.size(0); first += piece) {
      parts.push_back(at::linear(x, weight.narrow(0, first, std::min(piece, weight.size(0) - first)).to(at::kFloat)));
    }
    return at::cat(parts, 1);
  }
  return at::linear(x.to(weight.scalar_type()), weight).to(at::kFloat);
}

Tensor SiteCalls::map_trained(const Tensor& x, const Tensor& weight, LinearWire wire) const {
  // Mixed precision: the fp32 master weight is rounded for the product alone. Logits stay fp32, as for frozen weights.
  const bool narrow = backbone_.precision() == Precision::bfloat16 && wire.tensor != backbone_.wiring().lm_head.tensor;
  return narrow ? at::linear(x.to(at::kBFloat16), weight.to(at::kBFloat16)).to(at::kFloat) : at::linear(x, weight);
}

Tensor SiteCalls::linear(const Tensor& x, const Rows& rows, LinearWire wire) const {
  const auto site = static_cast<std::size_t>(wire.site);
  const std::function<Tensor()> whole = once([&] { return map_frozen(x, wire.tensor); });
  return by_range(
      rows,
      [&](const detail::PlanGroup& group) { return group.linear[site] || override_of(&group, wire.tensor).defined(); },
      [&](const GroupRange& range) {
        const Tensor replaced = override_of(range.group, wire.tensor);
        const Tensor input = rows_of(x, range);
        const std::function<Tensor(const Tensor&)> map = [&](const Tensor& other) {
          return replaced.defined() ? map_trained(other, replaced, wire) : map_frozen(other, wire.tensor);
        };
        const std::function<Tensor()> base = [&] { return replaced.defined() ? map(input) : rows_of(whole(), range); };
        const auto& hook = range.group->linear[site];
        if (!hook) return base();
        Tensor out = hook->apply({{context_, range.layout}, input, base, map});
        check_shape(out, {input.size(0), backbone_.rows(wire.tensor)}, "a linear map", range.group);
        return out;
      },
      whole);
}

Tensor SiteCalls::embed(const Tensor& ids, const Rows& rows, LinearWire wire) const {
  const auto site = static_cast<std::size_t>(wire.site);
  const auto frozen = [&](const Tensor& of) { return at::embedding(backbone_.frozen(wire.tensor), of).to(at::kFloat); };
  const std::function<Tensor()> whole = once([&] { return frozen(ids); });
  Tensor out = by_range(
      rows,
      [&](const detail::PlanGroup& group) { return group.linear[site] || override_of(&group, wire.tensor).defined(); },
      [&](const GroupRange& range) {
        const Tensor replaced = override_of(range.group, wire.tensor);
        const Tensor input = rows_of(ids, range);
        const std::function<Tensor(const Tensor&)> map = [&](const Tensor& other) {
          return replaced.defined() ? at::embedding(replaced, other) : frozen(other);
        };
        const std::function<Tensor()> base = [&] { return map(input); };
        const auto& hook = range.group->linear[site];
        if (!hook) return base();
        Tensor rows_out = hook->apply({{context_, range.layout}, input, base, map});
        check_shape(rows_out, {input.size(0), backbone_.spec().d_model}, "the embedding", range.group);
        return rows_out;
      },
      whole);
  if (rows.layout.has_slots()) out = out.masked_fill((rows.layout.slots >= 0).unsqueeze(1), 0);
  return out;
}

Tensor SiteCalls::rms_norm(const Tensor& x, const Rows& rows, int tensor) const {
  // fp32, no mean subtraction, no bias: y = w ⊙ x · rsqrt(mean(x²) + ε)
  const Tensor normed = x * at::rsqrt(x.square().mean(-1, true) + backbone_.spec().norm_epsilon);
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return override_of(&group, tensor).defined(); },
      [&](const GroupRange& range) { return rows_of(normed, range) * override_of(range.group, tensor); },
      once([&] { return normed * backbone_.frozen(tensor); }));
}

Embedded SiteCalls::input(Stack stack, const Tensor& ids, Embedded embedded, const Rows& rows) const {
  const int site = static_cast<int>(stack);
  const auto claimed = [&](const GroupRange& range) { return range.group && range.group->input[site]; };
  if (std::none_of(rows.ranges.begin(), rows.ranges.end(), claimed)) return embedded;

  std::vector<Tensor> embeddings, slots;
  std::vector<int64_t> lengths;
  bool any_slots = false;
  for (const GroupRange& range : rows.ranges) {
    Embedded part{rows_of(embedded.embeddings, range), range.layout};
    if (claimed(range)) {
      const Tensor before = part.embeddings;
      part = range.group->input[site]->apply({{context_, range.layout}, rows_of(ids, range), before});
      if (part.layout.sequences() != range.layout.sequences()) {
        throw ConfigError({"an input hook of " + range.group->method + " changed the number of sequences",
                           std::to_string(part.layout.sequences()), std::to_string(range.layout.sequences()),
                           "fix the hook"});
      }
      check_shape(part.embeddings, {part.layout.rows(), backbone_.spec().d_model}, InputSite{stack}.name(),
                  range.group);
    }
    embeddings.push_back(part.embeddings);
    any_slots = any_slots || part.layout.has_slots();
    slots.push_back(part.layout.has_slots() ? part.layout.slots : at::empty({part.layout.rows()}, at::kLong).fill_(-1));
    lengths.insert(lengths.end(), part.layout.lengths.begin(), part.layout.lengths.end());
  }
  TokenLayout layout = TokenLayout::of(std::move(lengths), rows.layout.groups, rows.layout.replicas);
  if (any_slots) layout.slots = at::cat(slots);
  return {embeddings.size() == 1 ? embeddings.front() : at::cat(embeddings), std::move(layout)};
}

Tensor SiteCalls::block(const Tensor& hidden, const Rows& rows, int site) const {
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return group.block[static_cast<std::size_t>(site)] != nullptr; },
      [&](const GroupRange& range) {
        const Tensor part = rows_of(hidden, range);
        Tensor out = range.group->block[static_cast<std::size_t>(site)]->apply({{context_, range.layout}, part});
        check_shape(out, part.sizes(), "a block", range.group);
        return out;
      },
      [&] { return hidden; });
}

Tensor SiteCalls::sublayer(const Tensor& residual, const Tensor& input, const Tensor& output, const Rows& rows,
                           int site) const {
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return group.sublayer[static_cast<std::size_t>(site)] != nullptr; },
      [&](const GroupRange& range) {
        const Tensor parts[] = {rows_of(residual, range), rows_of(input, range), rows_of(output, range)};
        Tensor out = range.group->sublayer[static_cast<std::size_t>(site)]->apply(
            {{context_, range.layout}, parts[0], parts[1], parts[2]});
        check_shape(out, parts[2].sizes(), "a sublayer", range.group);
        return out;
      },
      [&] { return output; });
}

Tensor SiteCalls::head(const Tensor& hidden, const Rows& rows, const std::function<Tensor()>& logits) const {
  const std::function<Tensor()> whole = once(logits);
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return group.head != nullptr; },
      [&](const GroupRange& range) {
        const std::function<Tensor()> frozen = [&] { return rows_of(whole(), range); };
        const Tensor part = rows_of(hidden, range);
        Tensor out = range.group->head->apply({{context_, range.layout}, part, frozen});
        const bool classes = range.group->head->scores_classes();
        check_shape(
            out,
            {classes ? range.layout.sequences() : part.size(0), classes ? out.size(1) : backbone_.spec().vocab_size},
            "the head", range.group);
        return out;
      },
      whole);
}

}  // namespace peftbench::backbone
