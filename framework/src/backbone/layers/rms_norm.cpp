#include "backbone/layers/rms_norm.h"

#include "backbone/kernels/rowwise.h"

#include <ATen/ops/rsqrt.h>

#include <algorithm>

namespace peftbench::backbone {
namespace {

using Linears = std::initializer_list<const Linear*>;

// The tiles of all maps; nothing where one of them has none.
std::optional<kernels::FrozenMaps> tiles_of(const Rows& rows, Linears maps) {
  kernels::FrozenMaps found;
  for (const Linear* map : maps) {
    found.push_back(map->tiles(rows));
    if (!found.back()) return {};
  }
  return found;
}

bool any_claimed(const Rows& rows, Linears maps) {
  return std::any_of(maps.begin(), maps.end(), [&](const Linear* map) { return map->claimed(rows); });
}

// What hooks make of the products with x.
std::vector<Tensor> hooked(std::vector<Tensor> products, const Tensor& x, const Rows& rows, Linears maps) {
  std::size_t m = 0;
  for (const Linear* map : maps) {
    Tensor& product = products[m++];
    product = (*map)(x, rows, product);
  }
  return products;
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
  const auto tiles = tiles_of(rows_, maps);
  if (!norm || !tiles || normed_.defined()) return backbone::through((*this)(), rows_, maps);
  if (!any_claimed(rows_, maps)) return kernels::products(x_, *norm, *tiles);
  std::vector<Tensor> results = kernels::products(x_, *norm, *tiles, true);
  normed_ = results.back();
  results.pop_back();
  return hooked(std::move(results), normed_, rows_, maps);
}

std::vector<Tensor> through(const Tensor& x, const Rows& rows, std::initializer_list<const Linear*> maps) {
  if (const auto tiles = tiles_of(rows, maps)) return hooked(kernels::products(x, {}, *tiles), x, rows, maps);
  std::vector<Tensor> results;
  for (const Linear* map : maps) results.push_back((*map)(x, rows));
  return results;
}

}  // namespace peftbench::backbone
