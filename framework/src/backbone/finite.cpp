#include "backbone/finite.h"

#include "core/names.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

namespace peftbench::backbone {
namespace {

std::string show(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

// "2 inf and 1 NaN among its 64 numbers"
std::string census(const Tensor& tensor) {
  const auto nan = tensor.isnan().sum().item<int64_t>(), inf = tensor.isinf().sum().item<int64_t>();
  std::vector<std::string> parts;
  if (inf > 0) parts.push_back(std::to_string(inf) + " inf");
  if (nan > 0) parts.push_back(std::to_string(nan) + " NaN");
  return join(parts, " and ") + " among its " + std::to_string(tensor.numel()) + " values";
}

// Goes through tensors and remembers those that are not finite, and the largest number of the others.
class Search {
 public:
  void look(const Tensor& tensor, const std::string& name) {
    if (!tensor.defined() || tensor.numel() == 0 || !tensor.is_floating_point()) return;
    if (!all_finite(tensor)) {
      faults_.push_back(name + " holds " + census(tensor));
    } else if (const double most = tensor.abs().max().item<double>(); most > largest_) {
      largest_ = most;
      largest_name_ = name;
    }
  }
  bool found() const { return !faults_.empty(); }
  std::string faults() const {
    constexpr std::size_t shown = 5;
    const std::vector<std::string> first(faults_.begin(),
                                         faults_.begin() + std::min<std::ptrdiff_t>(shown, std::ssize(faults_)));
    const std::size_t more = faults_.size() - first.size();
    return join(first, "\n") + (more > 0 ? "\n… and " + std::to_string(more) + " more" : "");
  }
  double largest() const { return largest_; }
  const std::string& largest_name() const { return largest_name_; }

 private:
  std::vector<std::string> faults_;
  double largest_ = 0;
  std::string largest_name_;
};

std::string what_of(int64_t place, const std::string& example) {
  return "the outputs for " + (example.empty() ? "sequence " + std::to_string(place) + " of a batch" : example) +
         " are not finite";
}

int64_t sequence_of(const TokenLayout& layout, int64_t row) {
  const auto next = std::upper_bound(layout.offsets.begin(), layout.offsets.end(), row);
  return static_cast<int64_t>(next - layout.offsets.begin()) - 1;
}

}  // namespace

bool all_finite(const Tensor& tensor) {
  // A sum is as quick as reading; only where it is not finite, which large numbers do too, each number is looked at.
  const at::NoGradGuard no_grad;
  if (std::isfinite(tensor.sum(at::kFloat).item<float>())) return true;
  return at::isfinite(tensor).all().item<bool>();
}

std::optional<int64_t> first_row_not_finite(const Tensor& rows) {
  if (all_finite(rows)) return std::nullopt;
  const at::NoGradGuard no_grad;
  const Tensor bad = at::isfinite(rows.reshape({rows.size(0), -1})).all(1).logical_not();
  return bad.to(at::kLong).argmax().item<int64_t>();
}

NotFiniteCause why_not_finite(const Backbone& backbone, const CompiledPlan& plan) {
  const at::NoGradGuard no_grad;
  Search frozen, own;
  for (const ParameterSite& site : backbone.spec().parameters())
    frozen.look(backbone.frozen(site.index), site.tensor + " of the backbone");
  for (std::size_t g = 0; g < plan.groups().size(); ++g) {
    const auto& group = *plan.groups()[g];
    const std::string number = plan.groups().size() > 1 ? " (adapter " + std::to_string(g) + ")" : "";
    for (const auto& slot : group.slots) own.look(slot->value, slot->name + " of " + group.method + number);
  }
  if (frozen.found()) {
    return {NotFiniteCause::Kind::backbone, frozen.faults(), finite_weights_remedy};
  }
  if (own.found()) {
    return {NotFiniteCause::Kind::method, own.faults(),
            "train again with a lower train.learning_rate, with train.clip_norm or train.warmup_steps; download an "
            "external adapter again"};
  }
  const bool of_method = own.largest() > frozen.largest();
  return {NotFiniteCause::Kind::overflow,
          "all tensors are finite, but a sum or a square exceeds 3.4e38; the largest number is " +
              show(of_method ? own.largest() : frozen.largest()) + ", in " +
              (of_method ? own.largest_name() : frozen.largest_name()),
          of_method ? "train again with a lower train.learning_rate, with train.clip_norm or train.warmup_steps"
                    : "download the weights again"};
}

NotFiniteError::NotFiniteError(const NotFiniteCause& cause, int64_t place) : NotFiniteError(cause, place, "") {}

NotFiniteError::NotFiniteError(const NotFiniteCause& cause, int64_t place, const std::string& example)
    : Error(Problem{what_of(place, example), cause.found, "finite numbers", cause.remedy}),
      cause_(cause),
      place_(place),
      example_(example) {}

std::string NotFiniteError::what_is_wrong() const { return what_of(place_, example_); }

void require_finite(const Tensor& rows, const TokenLayout& layout, const Backbone& backbone, const CompiledPlan& plan) {
  if (rows.size(0) != layout.rows()) return require_finite(rows, 1, backbone, plan);  // a head that scores classes
  if (const auto row = first_row_not_finite(rows))
    throw NotFiniteError(why_not_finite(backbone, plan), sequence_of(layout, *row));
}

void require_finite(const Tensor& rows, int64_t each, const Backbone& backbone, const CompiledPlan& plan) {
  if (const auto row = first_row_not_finite(rows)) throw NotFiniteError(why_not_finite(backbone, plan), *row * each);
}

}  // namespace peftbench::backbone
