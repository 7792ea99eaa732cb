#pragma once

#include "backbone/backbone.h"
#include "eval/likelihood.h"
#include "train/choice_losses.h"
#include "train/config.h"
#include "train/layer.h"

#include <cstdint>
#include <vector>

namespace peftbench::train {

// What one optimizer step has in all, so that its micro-batches add up to the loss of one big batch.
struct StepTotals {
  std::int64_t tokens = 0;  // target tokens; examples, if the head scores classes
  std::int64_t micro_batches = 1;
  std::int64_t examples = 0;
  std::int64_t wrong_tokens = 0;  // of the choices that are not an example's label word
  double weight = 1;              // of these examples' loss, if parts of a step are normalised separately
};

// Number of target tokens of an example.
std::int64_t counted_tokens(const EncodedExample& example, const CompiledPlan& plan);

// Adds an example to a step's totals; `choices` are null if no loss uses them.
void count(const EncodedExample& example, const CompiledPlan& plan, const Choices* choices, StepTotals& totals);

// The fast backend cuts a micro-batch into equal parts of at most about this many input tokens, of whole examples. One
// thread runs a part, so that threads wait for each other once a step, and few activations are in memory. What the
// parts are does not depend on the number of threads, nor does the order in which their gradients are added.
inline constexpr std::int64_t part_tokens = 512;
inline constexpr std::int64_t most_gradient_bytes = std::int64_t{64} << 20;  // of all parts; above, they are one
// Some examples of a batch, by their numbers.
ExampleBatch some_of(const ExampleBatch& batch, const std::vector<std::size_t>& chosen);
std::vector<ExampleBatch> parts_of(const ExampleBatch& batch, std::int64_t tokens = part_tokens);
// Dropout of each part is its own.
std::uint64_t part_seed(std::uint64_t seed, std::size_t part, std::size_t parts);

// Runs a micro-batch forward and backward; gradients are added to the parameters'. Gives its share of the step's
// loss. `seed` is of this micro-batch. `logit_bytes`: above this, the head and its loss run in chunks.
double add_gradients(const TrainConfig& config, const Backbone& backbone, const CompiledPlan& plan,
                     const ExampleBatch& batch, const StepTotals& totals, std::uint64_t seed, EncoderCache* cache,
                     std::int64_t logit_bytes = most_logit_bytes);

}  // namespace peftbench::train
