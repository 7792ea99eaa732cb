#include "backbone/layers/rows.h"

#include <peftbench/error.h>

namespace peftbench::backbone {

Rows::Rows(TokenLayout layout, const Pass& pass) : layout_(std::move(layout)), pass_(pass) {
  const auto& groups = pass.plan.groups();
  for (int64_t first = 0; first < layout_.sequences();) {
    const int64_t number = layout_.groups[static_cast<std::size_t>(first)];
    int64_t last = first;
    while (last < layout_.sequences() && layout_.groups[static_cast<std::size_t>(last)] == number) ++last;
    if (number < 0 || (number > 0 && number >= static_cast<int64_t>(groups.size()))) {
      throw Error({.what = "a sequence belongs to an unknown plan",
                   .found = "group " + std::to_string(number),
                   .expected = "0 to " + std::to_string(static_cast<int64_t>(groups.size()) - 1)});
    }
    const detail::PlanGroup* group = groups.empty() ? nullptr : groups[static_cast<std::size_t>(number)].get();
    const bool all = first == 0 && last == layout_.sequences();
    ranges_.push_back({group, layout_.offsets[static_cast<std::size_t>(first)], first,
                       all ? layout_ : layout_.slice(first, last - first)});
    first = last;
  }
  if (ranges_.empty()) throw Error("a batch without sequences");
  range_maps_.resize(ranges_.size());
}

const RowMap& Rows::map() const {
  if (!map_) map_.emplace(layout_);
  return *map_;
}

const RowMap& Rows::map(std::size_t range) const {
  std::optional<RowMap>& made = range_maps_[range];
  if (!made) made.emplace(ranges_[range].layout);
  return *made;
}

Tensor rows_of(const Tensor& x, const GroupRange& range) {
  return range.layout.rows() == x.size(0) ? x : x.narrow(0, range.first_row, range.layout.rows());
}

void check_shape(const Tensor& got, at::IntArrayRef expected, const std::string& site, const detail::PlanGroup& group) {
  if (got.sizes() == expected) return;
  throw ConfigError({"the hook of " + group.method + " at " + site + " returned a wrong shape", c10::str(got.sizes()),
                     c10::str(expected), "fix the hook: it must keep the number of rows"});
}

Tensor stand_in(const detail::PlanGroup* group, int parameter) {
  if (group == nullptr || group->overrides.empty()) return {};
  return group->overrides[static_cast<std::size_t>(parameter)];
}

bool has_stand_in(const Rows& rows, int parameter) {
  return std::any_of(rows.ranges().begin(), rows.ranges().end(),
                     [&](const GroupRange& range) { return stand_in(range.group, parameter).defined(); });
}

}  // namespace peftbench::backbone
