#include "backbone/layers/rms_norm.h"

#include "backbone/kernels/rowwise.h"

#include <ATen/ops/rsqrt.h>

namespace peftbench::backbone {

Tensor RmsNorm::normed(const Tensor& x) const {
  return backend_ == Backend::fast ? kernels::rms_norm(x, {}, epsilon_)
                                   : x * at::rsqrt(x.square().mean(-1, true) + epsilon_);
}

Tensor RmsNorm::operator()(const Tensor& x, const Rows& rows) const {
  const Once plain([&] { return normed(x); });
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return stand_in(&group, parameter_).defined(); },
      [&](const GroupRange& range) { return rows_of(plain(), range) * stand_in(range.group, parameter_); }, Once([&] {
        return backend_ == Backend::fast ? kernels::rms_norm(x, scale_->value(), epsilon_) : plain() * scale_->value();
      }));
}

}  // namespace peftbench::backbone
