#pragma once

#include "backbone/layer.h"
#include "backbone/row_map.h"
#include "backbone/run_context.h"
#include "plan/compiled_plan.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::backbone {

// One forward pass: what plans do to it, and how it is run.
struct Pass {
  const CompiledPlan& plan;
  const RunContext& context;
  // Called without training on what a stack and the head give: [N, …] packed by the layout must be finite.
  std::function<void(const Tensor& rows, const TokenLayout& layout)> require_finite;
};

// The sequences of one plan within a batch.
struct GroupRange {
  const detail::PlanGroup* group;  // null: no plan at all
  int64_t first_row, first_sequence;
  TokenLayout layout;
};

// A packed batch on its way through the layers, with its parts by plan. It must not outlive its pass.
class Rows {
 public:
  Rows(TokenLayout layout, const Pass& pass);

  const TokenLayout& layout() const { return layout_; }
  const std::vector<GroupRange>& ranges() const { return ranges_; }  // at least one
  const Pass& pass() const { return pass_; }
  const RunContext& context() const { return pass_.context; }
  // Between packed rows and padded sequences, of the whole batch and of one range.
  const RowMap& map() const;
  const RowMap& map(std::size_t range) const;
  Tensor dropout(const Tensor& x) const { return context().backbone_dropout(x, layout_); }  // the backbone's own

 private:
  TokenLayout layout_;
  const Pass& pass_;
  std::vector<GroupRange> ranges_;
  mutable std::optional<RowMap> map_;  // made when first asked for
  mutable std::vector<std::optional<RowMap>> range_maps_;
};

// The rows of x [N, …] that belong to the range.
Tensor rows_of(const Tensor& x, const GroupRange& range);

// A hook gave `got` at a site.
void check_shape(const Tensor& got, at::IntArrayRef expected, const std::string& site, const detail::PlanGroup& group);

// The value of `make`, computed at most once, when first asked for.
template <class Make>
class Once {
 public:
  explicit Once(Make make) : make_(std::move(make)) {}
  const Tensor& operator()() const {
    if (!value_.defined()) value_ = make_();
    return value_;
  }

 private:
  Make make_;
  mutable Tensor value_;
};

template <class Has>
bool claims(const GroupRange& range, const Has& has) {
  return range.group != nullptr && has(*range.group);
}
// A plan of the batch has something at a site.
template <class Has>
bool any_claims(const Rows& rows, const Has& has) {
  return std::any_of(rows.ranges().begin(), rows.ranges().end(),
                     [&](const GroupRange& range) { return claims(range, has); });
}

// Calls `hooked` for the ranges whose plan has something at a site; the others take their rows of `whole`.
template <class Has, class Hooked, class Whole>
Tensor by_range(const Rows& rows, const Has& has, const Hooked& hooked, const Whole& whole) {
  if (!any_claims(rows, has)) return whole();
  std::vector<Tensor> parts;
  for (const GroupRange& range : rows.ranges())
    parts.push_back(claims(range, has) ? hooked(range) : rows_of(whole(), range));
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

// What the plan trains in place of a frozen tensor, as of this step; undefined: nothing.
Tensor stand_in(const detail::PlanGroup* group, int parameter);
bool has_stand_in(const Rows& rows, int parameter);

}  // namespace peftbench::backbone
