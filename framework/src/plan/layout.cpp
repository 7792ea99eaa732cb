#include "plan/layer.h"

#include <peftbench/error.h>
#include <peftbench/layout.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/nonzero.h>

#include <algorithm>

namespace peftbench {

using namespace plan;
namespace {

Tensor to_tensor(const std::vector<int64_t>& values) {
  return at::from_blob(const_cast<int64_t*>(values.data()), {static_cast<int64_t>(values.size())}, at::kLong).clone();
}

// Rows of slots 0…P−1 and the values they take, in one order.
struct SlotRows {
  Tensor rows;      // [R]
  Tensor expanded;  // [R, D]
};

SlotRows slot_rows(const TokenLayout& layout, const Tensor& values) {
  if (!layout.has_slots()) {
    throw ConfigError({.what = "a hook writes to slots, but the batch has none",
                       .expected = "slots made by a layout or input hook",
                       .remedy = "claim the layout site or prepend a prompt in the same method"});
  }
  const Tensor rows = at::nonzero((layout.slots >= 0).logical_and(layout.slots < values.size(0))).flatten();
  return {rows, values.index_select(0, layout.slots.index_select(0, rows))};
}

}  // namespace

TokenLayout TokenLayout::of(std::vector<int64_t> lengths, std::vector<int64_t> groups, std::vector<int64_t> replicas) {
  TokenLayout layout;
  const std::size_t count = lengths.size();
  layout.offsets.reserve(count + 1);
  layout.offsets.push_back(0);
  for (int64_t length : lengths) layout.offsets.push_back(layout.offsets.back() + length);
  layout.lengths = std::move(lengths);
  layout.groups = groups.empty() ? std::vector<int64_t>(count, 0) : std::move(groups);
  layout.replicas = replicas.empty() ? std::vector<int64_t>(count, 0) : std::move(replicas);
  if (layout.groups.size() != count || layout.replicas.size() != count) {
    throw Error({.what = "a batch needs one group and one replica number for each sequence",
                 .found = std::to_string(layout.groups.size()) + " groups and " +
                          std::to_string(layout.replicas.size()) + " replicas",
                 .expected = std::to_string(count) + " of each"});
  }
  if (!std::is_sorted(layout.groups.begin(), layout.groups.end())) {
    throw Error({.what = "sequences of a batch must be sorted by group",
                 .expected = "non-decreasing group numbers",
                 .remedy = "sort the batch by group"});
  }
  return layout;
}

int64_t TokenLayout::slot_count() const { return has_slots() && rows() > 0 ? slots.max().item<int64_t>() + 1 : 0; }

Tensor TokenLayout::first_rows() const { return to_tensor(std::vector<int64_t>(offsets.begin(), offsets.end() - 1)); }

Tensor TokenLayout::last_rows() const {
  std::vector<int64_t> rows(offsets.begin() + 1, offsets.end());
  for (int64_t& row : rows) --row;
  return to_tensor(rows);
}

TokenLayout TokenLayout::slice(int64_t first, int64_t count) const {
  const auto part = [&](const std::vector<int64_t>& all) {
    return std::vector<int64_t>(all.begin() + first, all.begin() + first + count);
  };
  TokenLayout out = of(part(lengths), part(groups), part(replicas));
  if (has_slots()) out.slots = slots.narrow(0, offsets[static_cast<std::size_t>(first)], out.rows());
  return out;
}

Embedded prepend(const Embedded& input, const Tensor& prompt) {
  const TokenLayout& old = input.layout;
  const int64_t prompt_rows = prompt.size(0);
  std::vector<int64_t> lengths = old.lengths;
  for (int64_t& length : lengths) length += prompt_rows;
  TokenLayout layout = TokenLayout::of(std::move(lengths), old.groups, old.replicas);

  // Gather from [prompt; embeddings]; slots likewise.
  std::vector<int64_t> source(static_cast<std::size_t>(layout.rows()));
  for (int64_t b = 0; b < old.sequences(); ++b) {
    auto at = source.begin() + layout.offsets[static_cast<std::size_t>(b)];
    for (int64_t p = 0; p < prompt_rows; ++p) *at++ = p;
    for (int64_t t = 0; t < old.lengths[static_cast<std::size_t>(b)]; ++t) {
      *at++ = prompt_rows + old.offsets[static_cast<std::size_t>(b)] + t;
    }
  }
  const Tensor index = to_tensor(source).to(prompt.device());
  Tensor old_slots = old.has_slots() ? at::where(old.slots >= 0, old.slots + prompt_rows, old.slots)
                                     : at::full({old.rows()}, -1, at::kLong);
  layout.slots = at::cat({at::arange(prompt_rows, at::kLong), old_slots}).index_select(0, to_tensor(source));
  return {at::cat({prompt, input.embeddings}).index_select(0, index), std::move(layout)};
}

Tensor replace_slots(const Tensor& hidden, const TokenLayout& layout, const Tensor& values) {
  const SlotRows slots = slot_rows(layout, values);
  return hidden.index_copy(0, slots.rows, slots.expanded);
}

Tensor add_at_slots(const Tensor& hidden, const TokenLayout& layout, const Tensor& values) {
  const SlotRows slots = slot_rows(layout, values);
  return hidden.index_add(0, slots.rows, slots.expanded);
}

}  // namespace peftbench
