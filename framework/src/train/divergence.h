#pragma once

#include "backbone/finite.h"
#include "train/layer.h"

#include <cstdint>
#include <string>

namespace peftbench::train {

// Steps of training whose numbers are not finite are no steps: these throw Error, which names the cause. `run` is
// "training" or "pre-training".
// Before an update: the loss of step `step` (from 1), and √Σg² of its gradients.
void require_finite_step(const std::string& run, std::int64_t step, double loss, double gradient_norm,
                         const Backbone& backbone, const CompiledPlan& plan);
// A pass without gradients after `step` updates (0: none) met outputs that are not finite.
[[noreturn]] void refuse_evaluation(const std::string& run, std::int64_t step, const NotFiniteError& error);
// What the updates up to `step` made of the parameters. The last one has no loss after it that would show it.
void require_finite_parameters(const std::string& run, std::int64_t step, const Backbone& backbone,
                               const CompiledPlan& plan);

}  // namespace peftbench::train
