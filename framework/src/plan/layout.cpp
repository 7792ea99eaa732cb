#include "plan/layer.h"
#include "plan/layout_indices.h"

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
  layout.indices = std::make_shared<detail::LayoutIndices>();
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

Tensor detail::layout_index(const TokenLayout& layout, Tensor LayoutIndices::*index,
                            const std::function<std::vector<int64_t>()>& make) {
  Tensor found = layout.indices ? (*layout.indices).*index : Tensor();
  if (found.defined()) return found;
  found = to_tensor(make()).to(layout.device);
  if (layout.indices) (*layout.indices).*index = found;
  return found;
}

Tensor TokenLayout::first_rows() const {
  return detail::layout_index(*this, &detail::LayoutIndices::first_rows,
                              [&] { return std::vector<int64_t>(offsets.begin(), offsets.end() - 1); });
}

Tensor TokenLayout::last_rows() const {
  return detail::layout_index(*this, &detail::LayoutIndices::last_rows, [&] {
    std::vector<int64_t> rows(offsets.begin() + 1, offsets.end());
    for (int64_t& row : rows) --row;
    return rows;
  });
}

Tensor TokenLayout::sequence_of_rows() const {
  return detail::layout_index(*this, &detail::LayoutIndices::sequence_of_rows, [&] {
    std::vector<int64_t> sequences;
    sequences.reserve(static_cast<std::size_t>(rows()));
    for (std::size_t b = 0; b < lengths.size(); ++b)
      sequences.insert(sequences.end(), static_cast<std::size_t>(lengths[b]), static_cast<int64_t>(b));
    return sequences;
  });
}

TokenLayout TokenLayout::to(c10::Device to) const {
  TokenLayout moved = *this;
  if (to == device) return moved;
  moved.device = to;
  moved.indices = std::make_shared<detail::LayoutIndices>();
  if (has_slots()) moved.slots = slots.to(to);
  return moved;
}

TokenLayout TokenLayout::slice(int64_t first, int64_t count) const {
  const auto part = [&](const std::vector<int64_t>& all) {
    return std::vector<int64_t>(all.begin() + first, all.begin() + first + count);
  };
  TokenLayout out = of(part(lengths), part(groups), part(replicas));
  out.device = device;
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
  layout.device = old.device;
  const Tensor slot_index = to_tensor(source).to(layout.device);
  const auto options = at::TensorOptions(at::kLong).device(layout.device);
  const Tensor old_slots = old.has_slots() ? at::where(old.slots >= 0, old.slots + prompt_rows, old.slots)
                                           : at::full({old.rows()}, -1, options);
  layout.slots = at::cat({at::arange(prompt_rows, options), old_slots}).index_select(0, slot_index);
  const Tensor index = slot_index.to(prompt.device());  // sizes alone are computed on another
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
