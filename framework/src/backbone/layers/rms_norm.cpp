#include "backbone/layers/rms_norm.h"

#include "backbone/kernels/rowwise.h"

#include <ATen/ops/rsqrt.h>

namespace peftbench::backbone {

Tensor RmsNorm::normed(const Tensor& x) const {
  return backend_ == Backend::fast ? kernels::rms_norm(x, {}, epsilon_)
                                   : x * at::rsqrt(x.square().mean(-1, true) + epsilon_);
}

Tensor RmsNorm::operator()(const Tensor& x, const Rows& rows) const {
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return stand_in(&group, parameter_).defined(); },
      [&](const GroupRange& range) { return normed(rows_of(x, range)) * stand_in(range.group, parameter_); }, Once([&] {
        return backend_ == Backend::fast ? kernels::rms_norm(x, scale_->value(), epsilon_)
                                         : normed(x) * scale_->value();
      }));
}

}  // namespace peftbench::backbone
