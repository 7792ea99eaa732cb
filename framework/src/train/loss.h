#pragma once

#include "backbone/backbone.h"
#include "eval/likelihood.h"
#include "train/choice_losses.h"
#include "train/config.h"

#include <cstdint>

namespace peftbench {

// What one optimizer step has in all, so that its micro-batches add up to the loss of one big batch.
struct StepTotals {
  std::int64_t tokens = 0;  // label tokens; examples, where the head scores classes
  std::int64_t micro_batches = 1;
  std::int64_t examples = 0;
  std::int64_t wrong_tokens = 0;  // of the choices that are not an example's label word
  double weight = 1;              // of these examples' loss, where a step has parts that are normalised apart
};

// Label tokens of an example as the loss counts them.
std::int64_t counted_tokens(const EncodedExample& example, const CompiledPlan& plan);

// Adds an example to what a step has; `choices` are null where no loss compares them.
void count(const EncodedExample& example, const CompiledPlan& plan, const Choices* choices, StepTotals& totals);

// Runs a micro-batch forward and backward; gradients are added to the parameters'. Gives its share of the step's
// loss. `seed` is of this micro-batch. `logit_bytes`: above this, the head and its loss run in chunks.
double add_gradients(const TrainConfig& config, const Backbone& backbone, const CompiledPlan& plan,
                     const ExampleBatch& batch, const StepTotals& totals, std::uint64_t seed, EncoderCache* cache,
                     std::int64_t logit_bytes = most_logit_bytes);

}  // namespace peftbench
