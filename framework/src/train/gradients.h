#pragma once

#include "plan/compiled_plan.h"
#include "train/layer.h"

#include <utility>
#include <vector>

namespace peftbench::train {

// Gradients of what a refreshed plan trains, collected beside the parameters' own, so that several parts of a step can
// run at once. Until it is destroyed, derived values and replacements are leaves: what they are derived from is gone
// back through once, in `finish`.
class Gradients {
 public:
  using Sums = std::vector<Tensor>;  // of each leaf; undefined: none yet

  explicit Gradients(const CompiledPlan& plan);
  ~Gradients();
  Gradients(const Gradients&) = delete;
  Gradients& operator=(const Gradients&) = delete;

  // Adds the gradients of a tensor, of which `gradient` is the gradient (undefined: it is a loss). Thread-safe, each
  // thread with its own sums. Returns the gradient of `below` (undefined: of nothing), as far as there is one.
  Tensor add(Sums& sums, const Tensor& of, const Tensor& gradient = {}, const Tensor& below = {}) const;
  // Adds sums, in this order, to the gradients of the parameters.
  void finish(const std::vector<Sums>& sums) const;
  std::int64_t bytes() const;  // of one sum

 private:
  void cut(Tensor& value);
  std::vector<Tensor> leaves_;
  std::vector<std::pair<Tensor*, Tensor>> cut_;  // where a leaf stands, and the value that it stands for
  std::size_t own_ = 0;                          // leaves that are parameters, before those that were cut
};

}  // namespace peftbench::train
