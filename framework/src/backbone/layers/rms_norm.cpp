#include "backbone/layers/rms_norm.h"

#include "backbone/kernels/rowwise.h"

#include <ATen/ops/rsqrt.h>

namespace peftbench::backbone {
namespace {

std::optional<kernels::FrozenMaps> all_frozen(const Rows& rows, std::initializer_list<const Linear*> maps) {
  kernels::FrozenMaps found;
  for (const Linear* map : maps) {
    found.push_back(map->frozen(rows));
    if (!found.back()) return {};
  }
  return found;
}

}  // namespace

Tensor RmsNorm::normed(const Tensor& x) const {
  return backend_ == Backend::fast ? kernels::rms_norm(x, {}, epsilon_)
                                   : x * at::rsqrt(x.square().mean(-1, true) + epsilon_);
}

std::optional<kernels::Norm> RmsNorm::frozen(const Rows& rows) const {
  if (backend_ != Backend::fast || has_stand_in(rows, parameter_)) return {};
  return kernels::Norm{scale_->value(), epsilon_};
}

Tensor RmsNorm::operator()(const Tensor& x, const Rows& rows) const {
  const Once plain([&] { return normed(x); });
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return stand_in(&group, parameter_).defined(); },
      [&](const GroupRange& range) { return rows_of(plain(), range) * stand_in(range.group, parameter_); }, Once([&] {
        return backend_ == Backend::fast ? kernels::rms_norm(x, scale_->value(), epsilon_) : plain() * scale_->value();
      }));
}

const Tensor& NormedRows::operator()() const {
  if (!normed_.defined()) normed_ = norm_(x_, rows_);
  return normed_;
}

std::vector<Tensor> NormedRows::through(std::initializer_list<const Linear*> maps) const {
  const auto norm = norm_.frozen(rows_);
  const auto frozen = all_frozen(rows_, maps);
  return norm && frozen ? kernels::products(x_, *norm, *frozen) : backbone::through((*this)(), rows_, maps);
}

std::vector<Tensor> through(const Tensor& x, const Rows& rows, std::initializer_list<const Linear*> maps) {
  if (const auto frozen = all_frozen(rows, maps)) return kernels::products(x, {}, *frozen);
  std::vector<Tensor> results;
  for (const Linear* map : maps) results.push_back((*map)(x, rows));
  return results;
}

}  // namespace peftbench::backbone
