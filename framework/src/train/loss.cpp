#include "train/loss.h"

#include <peftbench/error.h>

#include <ATen/ops/tensor.h>

#include <vector>

namespace peftbench {

namespace {

using Targets = std::vector<std::vector<std::int64_t>>;

const LossHook* loss_hook(const CompiledPlan& plan) {
  for (const auto& group : plan.groups()) {
    if (group->loss && plan.groups().size() > 1) {
      throw ConfigError({"a plan with a loss of its own cannot share a batch", group->method,
                         "plans without a loss hook", "train it apart"});
    }
    if (group->loss) return group->loss.get();
  }
  return nullptr;
}

Targets targets_of(const ExampleBatch& batch) {
  Targets targets;
  for (const auto* example : batch.examples) targets.insert(targets.end(), batch.copies, example->target);
  return targets;
}

SequenceScores class_scores(const Backbone& backbone, const EncoderState& encoder, const ExampleBatch& batch,
                            const CompiledPlan& plan, const RunContext& context) {
  const Tensor scores = class_log_probabilities(backbone, encoder, plan, context);
  std::vector<std::int64_t> labels;
  for (const auto* example : batch.examples) {
    if (example->label < 0 || example->label >= scores.size(1)) {
      throw ConfigError({"the method scores classes, and an example has none of them",
                         "label " + std::to_string(example->label), "a label below " + std::to_string(scores.size(1)),
                         "use a task with that many label words"});
    }
    labels.insert(labels.end(), batch.copies, example->label);
  }
  return {scores.gather(1, at::tensor(labels, at::kLong).to(scores.device()).unsqueeze(1)).squeeze(1), {}};
}

// The plain loss of some sequences, not normalised.
Tensor summed_loss(const TrainConfig& config, const CompiledPlan& plan, const SequenceScores& scores,
                   std::int64_t copies) {
  Tensor loss = -combine_replicas(plan, scores.log_likelihood, true).sum();
  if (config.z_loss > 0 && scores.log_normaliser_square.defined()) {
    loss = loss + scores.log_normaliser_square.sum() * (config.z_loss / static_cast<double>(copies));
  }
  return loss;
}

Tensor hooked_loss(const TrainConfig& config, const LossHook& hook, const Tensor& sum, const Tensor& log_likelihood,
                   const Tensor& lengths, std::int64_t tokens, const StepTotals& totals) {
  // The hook sees a loss of the step's size, and its shares of a step weigh 1 together: a term that it adds counts
  // once however the step is cut.
  const bool mean = config.loss == LossNormalisation::token_mean;
  const double share = mean ? static_cast<double>(tokens) / static_cast<double>(totals.tokens)
                            : 1.0 / static_cast<double>(totals.micro_batches);
  const Tensor loss = mean ? sum / static_cast<double>(tokens) : sum / share;
  return hook.apply({loss, log_likelihood, lengths}) * share;
}

void backward(const Tensor& loss) {
  if (!loss.requires_grad()) {
    throw ConfigError({"no trained parameter of the method reaches the loss", "a loss without a gradient",
                       "hooks that use the plan's parameters", "look at the sites that the method claims"});
  }
  loss.backward();
}

// The head and the loss by groups of sequences, each with its own backward pass down to the decoder's states, so
// that the logits of one group at a time are in memory.
double chunked(const TrainConfig& config, const Backbone& backbone, const CompiledPlan& plan,
               const DecoderState& labels, const Targets& targets, const RunContext& context, double scale,
               std::int64_t logit_bytes) {
  DecoderState leaf{labels.hidden.detach().requires_grad_(true), labels.layout};
  double total = 0;
  for (const auto& [first, last] : chunks(labels.layout, backbone.spec().vocab_size, logit_bytes)) {
    const Targets part(targets.begin() + first, targets.begin() + last);
    const auto scores = score_rows(backbone, slice(leaf, first, last - first), part, plan, context, config.z_loss > 0);
    const Tensor loss = summed_loss(config, plan, scores, 1) * scale;
    // Derived values that the head uses are shared by the chunks and by what lies below.
    loss.backward({}, /*retain_graph=*/true);
    total += loss.item<double>();
  }
  if (labels.hidden.requires_grad()) labels.hidden.backward(leaf.hidden.grad());
  return total;
}

}  // namespace

std::int64_t counted_tokens(const EncodedExample& example, const CompiledPlan& plan) {
  return scores_classes(plan) ? 1 : static_cast<std::int64_t>(example.target.size());
}

double add_gradients(const TrainConfig& config, const Backbone& backbone, const CompiledPlan& plan,
                     const ExampleBatch& batch, const StepTotals& totals, std::uint64_t seed, EncoderCache* cache,
                     std::int64_t logit_bytes) {
  const auto context = RunContext::for_training(config.dropout, config.dropout_shape, seed);
  const auto still = RunContext::for_training(0, config.dropout_shape, seed);
  backbone.refresh(plan);
  const EncoderState encoder = encode_batch(backbone, batch, plan, config.encoder_dropout ? context : still, cache);

  std::vector<std::int64_t> lengths;
  std::int64_t tokens = 0;
  for (const auto* example : batch.examples) {
    lengths.push_back(counted_tokens(*example, plan));
    tokens += lengths.back();
  }
  const double scale = config.loss == LossNormalisation::token_mean ? 1.0 / static_cast<double>(totals.tokens) : 1.0;
  const LossHook* hook = loss_hook(plan);

  SequenceScores scores;
  if (scores_classes(plan)) {
    scores = class_scores(backbone, encoder, batch, plan, context);
  } else {
    const Targets targets = targets_of(batch);
    const DecoderState labels = decode_labels(backbone, encoder, targets, plan, context);
    const bool large = labels.layout.rows() * backbone.spec().vocab_size * 4 > logit_bytes;
    if (large && !hook && !replica_hook(plan)) {
      return chunked(config, backbone, plan, labels, targets, context, scale, logit_bytes);
    }
    scores = score_rows(backbone, labels, targets, plan, context, config.z_loss > 0);
  }
  const Tensor sum = summed_loss(config, plan, scores, batch.copies);
  const Tensor loss = hook ? hooked_loss(config, *hook, sum, combine_replicas(plan, scores.log_likelihood, true),
                                         at::tensor(lengths, at::kLong).to(sum.device()), tokens, totals)
                           : sum * scale;
  backward(loss);
  return loss.item<double>();
}

}  // namespace peftbench
