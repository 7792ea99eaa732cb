#include "backbone/layers/head.h"

#include <functional>

namespace peftbench::backbone {

Tensor Head::operator()(const Tensor& hidden, const Rows& rows) const {
  const Once logits([&] { return map_(scale_ == 1.0 ? hidden : hidden * scale_, rows); });
  Tensor scores = by_range(
      rows, [](const detail::PlanGroup& group) { return group.head != nullptr; },
      [&](const GroupRange& range) {
        const std::function<Tensor()> frozen = [&] { return rows_of(logits(), range); };
        const Tensor part = rows_of(hidden, range);
        const HeadHook& hook = *range.group->head;
        Tensor out = hook.apply({{rows.context(), range.layout}, part, frozen});
        if (hook.scores_classes())
          check_shape(out, {range.layout.sequences(), out.size(1)}, HeadSite{}.name(), *range.group);
        else
          check_shape(out, {part.size(0), vocabulary_}, HeadSite{}.name(), *range.group);
        return out;
      },
      logits);
  if (!rows.context().training()) rows.pass().require_finite(scores, rows.layout());
  return scores;
}

}  // namespace peftbench::backbone
