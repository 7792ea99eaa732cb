#include "backbone/layers/block_stack.h"

#include <peftbench/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

namespace peftbench::backbone {
namespace {

// The part of a batch that one plan's hook makes of its rows.
Embedded hooked_input(const InputHook& hook, const Tensor& ids, const Tensor& embeddings, const GroupRange& range,
                      const Rows& rows, const std::string& site) {
  Embedded part = hook.apply({{rows.context(), range.layout}, ids, embeddings});
  if (part.layout.sequences() != range.layout.sequences()) {
    throw ConfigError({"the hook of " + range.group->method + " at " + site + " changed the number of sequences",
                       std::to_string(part.layout.sequences()), std::to_string(range.layout.sequences()),
                       "fix the hook"});
  }
  check_shape(part.embeddings, {part.layout.rows(), embeddings.size(1)}, site, *range.group);
  return part;
}

}  // namespace

Embedded BlockStack::enter(const Tensor& ids, const Tensor& embeddings, const Rows& rows) const {
  const auto index = static_cast<std::size_t>(site_.stack);
  const auto claims = [&](const GroupRange& range) { return range.group != nullptr && range.group->input[index]; };
  if (std::none_of(rows.ranges().begin(), rows.ranges().end(), claims))
    return {rows.dropout(embeddings), rows.layout()};

  std::vector<Tensor> parts, slots;
  std::vector<int64_t> lengths;
  bool any_slots = false;
  for (const GroupRange& range : rows.ranges()) {
    const Tensor own = rows_of(embeddings, range);
    const Embedded part =
        claims(range) ? hooked_input(*range.group->input[index], rows_of(ids, range), own, range, rows, site_.name())
                      : Embedded{own, range.layout};
    parts.push_back(part.embeddings);
    any_slots = any_slots || part.layout.has_slots();
    slots.push_back(part.layout.has_slots()
                        ? part.layout.slots
                        : at::full({part.layout.rows()}, -1, at::TensorOptions(at::kLong).device(part.layout.device)));
    lengths.insert(lengths.end(), part.layout.lengths.begin(), part.layout.lengths.end());
  }
  TokenLayout layout = TokenLayout::of(std::move(lengths), rows.layout().groups, rows.layout().replicas);
  layout.device = rows.layout().device;
  if (any_slots) layout.slots = at::cat(slots);
  const Tensor entered = parts.size() == 1 ? parts.front() : at::cat(parts);
  const Rows after(std::move(layout), rows.pass());
  return {after.dropout(entered), after.layout()};
}

Tensor BlockStack::operator()(const Tensor& entered, const StackPass& pass) const {
  Tensor x = entered;
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) x = blocks_[layer](x, pass, layer);
  x = exit_(x, pass.rows);
  const Tensor normed = final_norm_(x, pass.rows);
  const Pass& run = pass.rows.pass();
  if (run.context.training()) return pass.rows.dropout(normed);
  // Training looks at its loss. A square that overflows makes the norm 0, which would hide it.
  run.require_finite(x.detach().square().mean(-1, true), pass.rows.layout());
  run.require_finite(normed, pass.rows.layout());
  return normed;
}

}  // namespace peftbench::backbone
