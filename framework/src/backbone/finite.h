#pragma once

#include "backbone/backbone.h"
#include "backbone/layer.h"

#include <peftbench/error.h>

#include <cstdint>
#include <optional>
#include <string>

namespace peftbench::backbone {

bool all_finite(const Tensor& tensor);
// The first row of [N, …] with inf or NaN.
std::optional<int64_t> first_row_not_finite(const Tensor& rows);

// Why a pass gives inf or NaN: it examines every tensor used, so it is called only after that happened.
struct NotFiniteCause {
  enum class Kind {
    backbone,  // in a frozen tensor
    method,    // in a tensor of the method
    overflow   // all tensors are finite, but large
  };
  Kind kind;
  std::string found;   // names tensors and counts
  std::string remedy;  // without training
};
inline constexpr const char* finite_weights_remedy =
    "use finite weights: download the model again, or convert it from fp32 or bf16 (conversion to fp16 makes "
    "large numbers infinite)";
NotFiniteCause why_not_finite(const Backbone& backbone, const CompiledPlan& plan);

// Outputs that are not finite, which must not become a score or loss. Without training, every pass of a Backbone
// throws it instead of returning them.
class NotFiniteError final : public Error {
 public:
  NotFiniteError(const NotFiniteCause& cause, int64_t place);
  // Position of the sequence in its batch, until the caller corrects it with `at`.
  int64_t place() const { return place_; }
  NotFiniteError at(int64_t place) const { return {cause_, place}; }
  const NotFiniteCause& cause() const { return cause_; }
  std::string what_is_wrong() const;  // "the outputs for … are not finite"
  // The same with the example's name: "test example 3 (reviews.tsv:4)".
  NotFiniteError of(const std::string& example) const { return {cause_, place_, example}; }

 private:
  NotFiniteError(const NotFiniteCause& cause, int64_t place, const std::string& example);
  NotFiniteCause cause_;
  int64_t place_;
  std::string example_;
};

// Throws NotFiniteError if a row of [N, …], packed by `layout`, is not finite.
void require_finite(const Tensor& rows, const TokenLayout& layout, const Backbone& backbone, const CompiledPlan& plan);
// The same of one row, or one number, for `each` sequences: [S/each, …].
void require_finite(const Tensor& rows, int64_t each, const Backbone& backbone, const CompiledPlan& plan);

}  // namespace peftbench::backbone
