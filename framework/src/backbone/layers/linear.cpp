#include "backbone/layers/linear.h"

#include "backbone/layers/tiled_linear.h"

#include <ATen/ops/embedding.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace peftbench::backbone {
namespace {

// One map [N, …] → [N, width] at its site: `frozen(x)`, or `trained(x, stand-in)` where a plan has one.
template <class Frozen, class Trained>
Tensor at_linear_site(const Tensor& x, const Rows& rows, const LinearSite& site, int parameter, int64_t width,
                      const Frozen& frozen, const Trained& trained) {
  const auto index = static_cast<std::size_t>(site.index);
  const Once whole([&] { return frozen(x); });
  return by_range(
      rows,
      [&](const detail::PlanGroup& group) {
        return group.linear[index] != nullptr || stand_in(&group, parameter).defined();
      },
      [&](const GroupRange& range) {
        const Tensor replaced = stand_in(range.group, parameter);
        const Tensor input = rows_of(x, range);
        const std::function<Tensor(const Tensor&)> map = [&](const Tensor& other) {
          return replaced.defined() ? trained(other, replaced) : frozen(other);
        };
        const std::function<Tensor()> base = [&] { return replaced.defined() ? map(input) : rows_of(whole(), range); };
        const auto& hook = range.group->linear[index];
        if (!hook) return base();
        Tensor out = hook->apply({{rows.context(), range.layout}, input, base, map});
        check_shape(out, {input.size(0), width}, site.name(), *range.group);
        return out;
      },
      whole);
}

}  // namespace

Linear::Linear(LinearSite site, int parameter, std::shared_ptr<const FrozenLinear> frozen)
    : site_(std::move(site)), parameter_(parameter), frozen_(std::move(frozen)) {
  if (const auto tiled = std::dynamic_pointer_cast<const TiledLinear>(frozen_)) tiles_ = tiled->map();
}

std::shared_ptr<const kernels::FrozenMap> Linear::frozen(const Rows& rows) const {
  const auto index = static_cast<std::size_t>(site_.index);
  const bool claimed = std::any_of(rows.ranges().begin(), rows.ranges().end(), [&](const GroupRange& range) {
    return range.group != nullptr && range.group->linear[index] != nullptr;
  });
  return claimed || has_stand_in(rows, parameter_) ? nullptr : tiles_;
}

Tensor Linear::operator()(const Tensor& x, const Rows& rows) const {
  return at_linear_site(
      x, rows, site_, parameter_, site_.out, [&](const Tensor& input) { return (*frozen_)(input); },
      [&](const Tensor& input, const Tensor& weight) { return frozen_->multiply(input, weight); });
}

Embedding::Embedding(LinearSite site, int parameter, std::shared_ptr<const FrozenTensor> table)
    : site_(std::move(site)), parameter_(parameter), table_(std::move(table)) {}

Tensor Embedding::operator()(const Tensor& ids, const Rows& rows) const {
  const Tensor out = at_linear_site(
      ids, rows, site_, parameter_, site_.out,
      [&](const Tensor& of) { return at::embedding(table_->value(), of).to(at::kFloat); },
      [](const Tensor& of, const Tensor& table) { return at::embedding(table, of); });
  return rows.layout().has_slots() ? out.masked_fill((rows.layout().slots >= 0).unsqueeze(1), 0) : out;
}

}  // namespace peftbench::backbone
