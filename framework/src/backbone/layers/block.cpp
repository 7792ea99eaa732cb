#include "backbone/layers/block.h"

#include "backbone/kernels/rowwise.h"
#include "backbone/kernels/segments.h"

namespace peftbench::backbone {

Tensor BlockEntrance::operator()(const Tensor& hidden, const Rows& rows) const {
  const auto index = static_cast<std::size_t>(site_.index);
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return group.block[index] != nullptr; },
      [&](const GroupRange& range) {
        const Tensor part = rows_of(hidden, range);
        Tensor out = range.group->block[index]->apply({{rows.context(), range.layout}, part});
        check_shape(out, part.sizes(), site_.name(), *range.group);
        return out;
      },
      Once([&] { return hidden; }));
}

bool Residual::claimed(const Rows& rows) const {
  const auto index = static_cast<std::size_t>(site_.index);
  return any_claims(rows, [&](const detail::PlanGroup& group) { return group.sublayer[index] != nullptr; });
}

Tensor Residual::added(const Tensor& x, const Tensor& y, const Rows& rows, const Linear& last) {
  const auto map = last.frozen(rows);
  const Tensor output = map ? Tensor() : last(y, rows);
  auto masks = rows.context().row_masks(x.size(1), rows.layout());
  if (map) return kernels::add_product(x, y, map, std::move(masks));
  return masks == nullptr ? x + output : kernels::add_masked(x, output, std::move(masks));
}

Tensor Residual::hooked(const Tensor& residual, const Tensor& input, const Tensor& output, const Rows& rows) const {
  const auto index = static_cast<std::size_t>(site_.index);
  return by_range(
      rows, [&](const detail::PlanGroup& group) { return group.sublayer[index] != nullptr; },
      [&](const GroupRange& range) {
        const Tensor parts[] = {rows_of(residual, range), rows_of(input, range), rows_of(output, range)};
        Tensor out =
            range.group->sublayer[index]->apply({{rows.context(), range.layout}, parts[0], parts[1], parts[2]});
        check_shape(out, parts[2].sizes(), site_.name(), *range.group);
        return out;
      },
      Once([&] { return output; }));
}

Tensor Block::operator()(const Tensor& hidden, const StackPass& pass, std::size_t layer) const {
  const Rows& rows = pass.rows;
  const auto kept = [&](std::vector<KeyValues> KeptKeys::* of) {
    return pass.kept == nullptr || (pass.kept->*of).empty() ? nullptr : &(pass.kept->*of)[layer];
  };
  Tensor x = entrance_(hidden, rows);
  x = self_.residual(
      x, rows, [&](const NormedRows& h) { return self_.layer.over_itself(h, rows, pass.self, kept(&KeptKeys::self)); },
      self_.layer.output());
  if (cross_) {
    x = cross_->residual(
        x, rows,
        [&](const NormedRows& h) {
          return cross_->layer.over_encoder(h, rows, *pass.encoder, *pass.cross, kept(&KeptKeys::cross));
        },
        cross_->layer.output());
  }
  if (const auto norm = ffn_.residual.frozen(rows))
    if (const auto parts = ffn_.layer.frozen(rows, *norm)) return kernels::add_feed_forward(x, *parts);
  return ffn_.residual(x, rows, [&](const NormedRows& h) { return ffn_.layer(h(), rows); }, ffn_.layer.output());
}

}  // namespace peftbench::backbone
