#pragma once

#include "backbone/backbone.h"
#include "backbone/layer.h"
#include "backbone/wiring.h"

#include <functional>
#include <vector>

namespace peftbench::backbone {

// The sequences of one plan within a batch.
struct GroupRange {
  const detail::PlanGroup* group;  // null: no plan at all
  int64_t first_row, first_sequence;
  TokenLayout layout;
};

// A packed batch with its parts by plan.
struct Rows {
  TokenLayout layout;
  std::vector<GroupRange> ranges;  // at least one

  Rows(TokenLayout layout, const CompiledPlan& plan);
};

// Runs the hooks at their sites, on the rows of the plan that claimed them.
class SiteCalls {
 public:
  SiteCalls(const Backbone& backbone, const RunContext& context) : backbone_(backbone), context_(context) {}

  // y [N, out] of the map, with hooks and replacements. x: [N, in].
  Tensor linear(const Tensor& x, const Rows& rows, LinearWire wire) const;
  // [N, D] of ids [N]; rows of slots are zero.
  Tensor embed(const Tensor& ids, const Rows& rows, LinearWire wire) const;
  Tensor rms_norm(const Tensor& x, const Rows& rows, int tensor) const;
  Embedded input(Stack stack, const Tensor& ids, Embedded embedded, const Rows& rows) const;
  Tensor block(const Tensor& hidden, const Rows& rows, int site) const;
  Tensor sublayer(const Tensor& residual, const Tensor& input, const Tensor& output, const Rows& rows, int site) const;
  Tensor head(const Tensor& hidden, const Rows& rows, const std::function<Tensor()>& logits) const;

  // The tensor used by `group`: its replacement, or the frozen one in fp32.
  Tensor tensor_of(const detail::PlanGroup* group, int tensor) const;
  bool has_override(const Rows& rows, int tensor) const;
  const RunContext& context() const { return context_; }

 private:
  Tensor map_frozen(const Tensor& x, int tensor) const;
  Tensor map_trained(const Tensor& x, const Tensor& weight, LinearWire wire) const;
  // Calls `hooked` for the ranges whose group has something at the site, takes the rows of `whole` for the rest.
  template <class Has, class Apply>
  Tensor by_range(const Rows& rows, Has has, Apply hooked, const std::function<Tensor()>& whole) const;

  const Backbone& backbone_;
  const RunContext& context_;
};

}  // namespace peftbench::backbone
