#include "train/divergence.h"

#include <algorithm>
#include <cmath>

namespace peftbench::train {
namespace {

constexpr const char* slower = "lower train.learning_rate, set train.clip_norm, or increase train.warmup_steps";

std::string show(double value) { return std::isnan(value) ? "NaN" : value > 0 ? "inf" : "-inf"; }

}  // namespace

void require_finite_step(const std::string& run, std::int64_t step, double loss, double gradient_norm,
                         const Backbone& backbone, const CompiledPlan& plan) {
  if (std::isfinite(loss) && std::isfinite(gradient_norm)) return;
  const NotFiniteCause cause = why_not_finite(backbone, plan);
  const std::string where = "at step " + std::to_string(step);
  const std::string found =
      (std::isfinite(loss) ? "gradients of norm " + show(gradient_norm) : "a loss of " + show(loss)) + " " + where +
      "\n" + cause.found;
  if (cause.kind == NotFiniteCause::Kind::backbone)
    throw Error({run + " cannot continue: the weights are not finite", found, "finite numbers", cause.remedy});
  if (step > 1) throw Error({run + " diverged", found, "finite numbers", slower});
  // Nothing was updated yet, so no learning rate can be the cause.
  const bool first_values = cause.kind == NotFiniteCause::Kind::method;
  throw Error({run + " cannot start: its first step is not finite", found, "finite numbers",
               first_values ? "choose other initial values for the method, or download the adapter of init_from "
                              "again"
                            : "choose smaller initial values for the method, or check the settings of its loss"});
}

void refuse_evaluation(const std::string& run, std::int64_t step, const NotFiniteError& error) {
  if (step == 0 || error.cause().kind == NotFiniteCause::Kind::backbone) throw error;
  throw Error({run + " diverged",
               "after step " + std::to_string(step) + ", " + error.what_is_wrong() + "\n" + error.cause().found,
               "finite numbers", slower});
}

void require_finite_parameters(const std::string& run, std::int64_t step, const Backbone& backbone,
                               const CompiledPlan& plan) {
  const auto slots = plan.trained();
  if (std::all_of(slots.begin(), slots.end(), [](const auto& slot) { return all_finite(slot->value.detach()); }))
    return;
  throw Error({run + " diverged",
               "parameters that are not finite after step " + std::to_string(step) + "\n" +
                   why_not_finite(backbone, plan).found,
               "finite numbers", slower});
}

}  // namespace peftbench::train
