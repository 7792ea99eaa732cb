#include "backbone/layers/rms_norm.h"

#include <ATen/ops/rsqrt.h>

namespace peftbench::backbone {

Tensor RmsNorm::operator()(const Tensor& x, const Rows& rows) const {
  const Tensor normed = x * at::rsqrt(x.square().mean(-1, true) + epsilon_);
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return stand_in(&group, parameter_).defined(); },
      [&](const GroupRange& range) { return rows_of(normed, range) * stand_in(range.group, parameter_); },
      Once([&] { return normed * scale_->value(); }));
}

}  // namespace peftbench::backbone
