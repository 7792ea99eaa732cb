#include "backbone/layers/linear.h"

#include "backbone/layers/tiled_linear.h"

#include <ATen/ops/embedding.h>

#include <functional>
#include <utility>

namespace peftbench::backbone {
namespace {

bool claims_map(const detail::PlanGroup& group, const LinearSite& site, int parameter) {
  return group.linear[static_cast<std::size_t>(site.index)] != nullptr || stand_in(&group, parameter).defined();
}

// One map [N, …] → [N, out] at its site: `frozen(x)`, which `known` may be, or `trained(x, stand-in)` where a plan has
// one.
template <class Frozen, class Trained>
Tensor at_linear_site(const Tensor& x, const Rows& rows, const LinearSite& site, int parameter, const Tensor& known,
                      const Frozen& frozen, const Trained& trained) {
  const Once whole([&] { return known.defined() ? known : frozen(x); });
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return claims_map(group, site, parameter); },
      [&](const GroupRange& range) {
        const Tensor replaced = stand_in(range.group, parameter);
        const Tensor input = rows_of(x, range);
        const std::function<Tensor(const Tensor&)> map = [&](const Tensor& other) {
          return replaced.defined() ? trained(other, replaced) : frozen(other);
        };
        const std::function<Tensor()> base = [&] { return replaced.defined() ? map(input) : rows_of(whole(), range); };
        const auto& hook = range.group->linear[static_cast<std::size_t>(site.index)];
        if (!hook) return base();
        Tensor out = hook->apply({{rows.context(), range.layout}, input, base, map});
        check_shape(out, {input.size(0), site.out}, site.name(), *range.group);
        return out;
      },
      whole);
}

}  // namespace

Linear::Linear(LinearSite site, int parameter, std::shared_ptr<const FrozenLinear> frozen)
    : site_(std::move(site)), parameter_(parameter), frozen_(std::move(frozen)) {
  if (const auto tiled = std::dynamic_pointer_cast<const TiledLinear>(frozen_)) tiles_ = tiled->map();
}

bool Linear::claimed(const Rows& rows) const {
  return any_claims(rows, [&](const detail::PlanGroup& group) { return claims_map(group, site_, parameter_); });
}

std::shared_ptr<const kernels::FrozenMap> Linear::tiles(const Rows& rows) const {
  return has_stand_in(rows, parameter_) ? nullptr : tiles_;
}

Tensor Linear::operator()(const Tensor& x, const Rows& rows, const Tensor& base) const {
  return at_linear_site(
      x, rows, site_, parameter_, base, [&](const Tensor& input) { return (*frozen_)(input); },
      [&](const Tensor& input, const Tensor& weight) { return frozen_->multiply(input, weight); });
}

Embedding::Embedding(LinearSite site, int parameter, std::shared_ptr<const FrozenTensor> table)
    : site_(std::move(site)), parameter_(parameter), table_(std::move(table)) {}

Tensor Embedding::operator()(const Tensor& ids, const Rows& rows) const {
  const Tensor out = at_linear_site(
      ids, rows, site_, parameter_, {},
      [&](const Tensor& of) { return at::embedding(table_->value(), of).to(at::kFloat); },
      [](const Tensor& of, const Tensor& table) { return at::embedding(table, of); });
  return rows.layout().has_slots() ? out.masked_fill((rows.layout().slots >= 0).unsqueeze(1), 0) : out;
}

}  // namespace peftbench::backbone
