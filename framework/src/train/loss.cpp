#include "train/loss.h"

#include "core/random.h"
#include "train/choice_losses.h"
#include "train/gradients.h"

#include <peftbench/error.h>

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

namespace peftbench::train {

namespace {

using Targets = std::vector<std::vector<std::int64_t>>;

const LossHook* loss_hook(const CompiledPlan& plan) {
  for (const auto& group : plan.groups()) {
    if (group->loss && plan.groups().size() > 1) {
      throw ConfigError({"a plan with its own loss cannot share a batch", group->method, "plans without a loss hook",
                         "train it separately"});
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
      throw ConfigError({"the method scores classes, but an example has no valid class",
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
  return hook.apply({loss, log_likelihood, lengths}) * (share * totals.weight);
}

void require_gradient(const Tensor& loss) {
  if (!loss.requires_grad()) {
    throw ConfigError({"no trained parameter of the method reaches the loss", "a loss without a gradient",
                       "hooks that use the plan's parameters", "check the sites that the method claims"});
  }
}

// What is decoded for a micro-batch, and how its loss, a share of the step's, comes from the decoder's states.
class DecodedLoss {
 public:
  DecodedLoss(const TrainConfig& config, const Backbone& backbone, const CompiledPlan& plan, const ExampleBatch& batch,
              const StepTotals& totals, const RunContext& context, std::int64_t tokens)
      : config_(config),
        backbone_(backbone),
        plan_(plan),
        batch_(batch),
        totals_(totals),
        context_(context),
        tokens_(tokens),
        hook_(loss_hook(plan)),
        choices_(compares_choices(config) ? batch.choices : nullptr) {}

  double add_gradients(const EncoderState& encoder, std::int64_t logit_bytes, const Gradients& gradients,
                       Gradients::Sums& sums) const {
    const Targets targets = choices_ ? all_choices() : targets_of(batch_);
    const EncoderState source = choices_ ? repeat(encoder, sequences_each()) : encoder;
    const DecoderState labels = decode_labels(backbone_, source, targets, plan_, context_);
    const bool large = labels.layout.rows() * backbone_.spec().vocab_size * 4 > logit_bytes;
    if (large && !hook_ && !replica_hook(plan_)) return chunked(labels, targets, logit_bytes, gradients, sums);
    const Tensor loss = of(labels, targets, 0, labels.layout.sequences());
    require_gradient(loss);
    gradients.add(sums, loss);
    return loss.item<double>();
  }

  // The share of scores of the right answers alone.
  Tensor plain(const SequenceScores& scores) const {
    const Tensor sum = summed_loss(config_, plan_, scores, batch_.copies);
    if (!hook_) return sum * per(totals_.tokens);
    std::vector<std::int64_t> lengths;
    for (const auto* example : batch_.examples) lengths.push_back(counted_tokens(*example, plan_));
    return hooked_loss(config_, *hook_, sum, combine_replicas(plan_, scores.log_likelihood, true),
                       at::tensor(lengths, at::kLong).to(sum.device()), tokens_, totals_);
  }

 private:
  double per(std::int64_t count) const {
    return config_.loss == LossNormalisation::token_mean ? totals_.weight / static_cast<double>(count) : totals_.weight;
  }

  std::int64_t sequences_each() const { return choices_ ? static_cast<std::int64_t>(choices_->size()) : batch_.copies; }

  Targets all_choices() const {
    Targets targets;
    for (std::size_t i = 0; i < batch_.examples.size(); ++i)
      targets.insert(targets.end(), choices_->begin(), choices_->end());
    return targets;
  }

  // Of the sequences from `first` to `last`, whose states are `labels`; whole examples where choices are compared.
  Tensor of(const DecoderState& labels, const Targets& targets, std::int64_t first, std::int64_t last) const {
    const bool normaliser = config_.z_loss > 0;
    if (!choices_) return plain(score_rows(backbone_, labels, targets, plan_, context_, normaliser));
    const ChoiceScores scores = score_choices(backbone_, labels, *choices_, plan_, context_, normaliser);
    std::vector<std::int64_t> numbers;
    for (auto i = first / sequences_each(); i < last / sequences_each(); ++i)
      numbers.push_back(batch_.examples[static_cast<std::size_t>(i)]->label);
    const Tensor right = at::tensor(numbers, at::kLong).to(scores.log_likelihood.device());
    const auto of_right = [&](const Tensor& x) { return x.defined() ? x.gather(1, right.unsqueeze(1)).squeeze(1) : x; };
    Tensor loss = plain({of_right(scores.log_likelihood), of_right(scores.log_normaliser_square)});
    if (config_.unlikelihood_weight > 0)
      loss = loss + unlikelihood_loss(scores, right) * (config_.unlikelihood_weight * per(totals_.wrong_tokens));
    if (config_.length_normalised_weight > 0)
      loss = loss + length_normalised_loss(scores, right, *choices_) *
                        (config_.length_normalised_weight * per(totals_.examples));
    return loss;
  }

  // Runs of sequences whose logits are not too many at once.
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges(const TokenLayout& layout, std::int64_t logit_bytes) const {
    if (!choices_) return chunks(layout, backbone_.spec().vocab_size, logit_bytes);
    const std::int64_t each = sequences_each(), rows = layout.offsets[static_cast<std::size_t>(each)];
    const std::int64_t step = each * std::max<std::int64_t>(1, logit_bytes / (backbone_.spec().vocab_size * 4 * rows));
    std::vector<std::pair<std::int64_t, std::int64_t>> result;
    for (std::int64_t first = 0; first < layout.sequences(); first += step)
      result.emplace_back(first, std::min(layout.sequences(), first + step));
    return result;
  }

  // The head and the loss by groups of sequences, each with its own backward pass down to the decoder's states, so
  // that the logits of one group at a time are in memory.
  double chunked(const DecoderState& labels, const Targets& targets, std::int64_t logit_bytes,
                 const Gradients& gradients, Gradients::Sums& sums) const {
    std::vector<Tensor> of_states;
    double total = 0;
    for (const auto& [first, last] : ranges(labels.layout, logit_bytes)) {
      const Targets part(targets.begin() + first, targets.begin() + last);
      DecoderState states = slice(labels, first, last - first);
      states.hidden = states.hidden.detach().requires_grad_(true);
      const Tensor loss = of(states, part, first, last);
      const Tensor of_part = gradients.add(sums, loss, {}, states.hidden);
      of_states.push_back(of_part.defined() ? of_part : at::zeros_like(states.hidden));
      total += loss.item<double>();
    }
    if (labels.hidden.requires_grad()) gradients.add(sums, labels.hidden, at::cat(of_states));
    return total;
  }

  const TrainConfig& config_;
  const Backbone& backbone_;
  const CompiledPlan& plan_;
  const ExampleBatch& batch_;
  const StepTotals& totals_;
  const RunContext& context_;
  std::int64_t tokens_;  // of the micro-batch
  const LossHook* hook_;
  const Choices* choices_;
};

}  // namespace

std::int64_t counted_tokens(const EncodedExample& example, const CompiledPlan& plan) {
  return scores_classes(plan) ? 1 : static_cast<std::int64_t>(example.target.size());
}

void count(const EncodedExample& example, const CompiledPlan& plan, const Choices* choices, StepTotals& totals) {
  totals.tokens += counted_tokens(example, plan);
  ++totals.examples;
  if (choices) totals.wrong_tokens += wrong_tokens(*choices, example.label);
}

namespace {

// A part of a micro-batch forward and backward, with a seed of its own; `cached` are its encoder's states, where they
// are known. Gives its share of the step's loss.
double run_part(const TrainConfig& config, const Backbone& backbone, const CompiledPlan& plan,
                const ExampleBatch& batch, const StepTotals& totals, std::uint64_t seed,
                const std::optional<EncoderState>& cached, std::int64_t logit_bytes, const Gradients& gradients,
                Gradients::Sums& sums) {
  const auto context = RunContext::for_training(config.dropout, config.dropout_shape, seed);
  const auto still = RunContext::for_training(0, config.dropout_shape, seed);
  const EncoderState encoder =
      cached ? *cached : encode_batch(backbone, batch, plan, config.encoder_dropout ? context : still, nullptr);
  std::int64_t tokens = 0;
  for (const auto* example : batch.examples) tokens += counted_tokens(*example, plan);
  const DecodedLoss decoded(config, backbone, plan, batch, totals, context, tokens);
  if (!scores_classes(plan)) return decoded.add_gradients(encoder, logit_bytes, gradients, sums);
  const Tensor loss = decoded.plain(class_scores(backbone, encoder, batch, plan, context));
  require_gradient(loss);
  gradients.add(sums, loss);
  return loss.item<double>();
}

}  // namespace

ExampleBatch some_of(const ExampleBatch& batch, const std::vector<std::size_t>& chosen) {
  ExampleBatch some = batch;
  some.examples.clear();
  some.groups.clear();
  for (const std::size_t i : chosen) {
    some.examples.push_back(batch.examples[i]);
    if (!batch.groups.empty()) some.groups.push_back(batch.groups[i]);
  }
  return some;
}

std::vector<ExampleBatch> parts_of(const ExampleBatch& batch, std::int64_t most) {
  const auto own = [&](const EncodedExample& example) { return batch.copies * std::ssize(example.input); };
  std::int64_t total = 0;
  for (const auto* example : batch.examples) total += own(*example);
  total = std::max<std::int64_t>(1, total);
  const std::int64_t count = (total + most - 1) / most;
  // An example is of the part in which its middle lies, of equal parts of the tokens.
  std::vector<std::vector<std::size_t>> numbers(static_cast<std::size_t>(count));
  std::int64_t before = 0;
  for (std::size_t i = 0; i < batch.examples.size(); ++i) {
    const std::int64_t tokens = own(*batch.examples[i]);
    const std::int64_t part = (2 * before + tokens) * count / (2 * total);
    numbers[static_cast<std::size_t>(std::min(part, count - 1))].push_back(i);
    before += tokens;
  }
  std::vector<ExampleBatch> parts;
  for (const auto& chosen : numbers)
    if (!chosen.empty()) parts.push_back(some_of(batch, chosen));
  return parts;
}

std::uint64_t part_seed(std::uint64_t seed, std::size_t part, std::size_t parts) {
  return parts == 1 ? seed : stream_seed(seed, "part", part);
}

double add_gradients(const TrainConfig& config, const Backbone& backbone, const CompiledPlan& plan,
                     const ExampleBatch& batch, const StepTotals& totals, std::uint64_t seed, EncoderCache* cache,
                     std::int64_t logit_bytes) {
  backbone.refresh(plan);
  const Gradients gradients(plan);
  // A hook's loss is of the whole micro-batch.
  const bool whole = backbone.backend() != Backend::fast || loss_hook(plan) != nullptr;
  std::vector<ExampleBatch> parts = whole ? std::vector{batch} : parts_of(batch, cache ? 2 * part_tokens : part_tokens);
  if (gradients.bytes() * std::ssize(parts) > most_gradient_bytes) parts = {batch};
  // The cache is not for several threads.
  const std::optional<EncoderState> cached =
      cache ? std::optional(cache->encode(batch.examples, batch.groups)) : std::nullopt;
  std::vector<std::int64_t> firsts;
  for (std::int64_t first = 0; const ExampleBatch& part : parts)
    firsts.push_back(std::exchange(first, first + std::ssize(part.examples)));
  std::vector<Gradients::Sums> sums(parts.size());
  std::vector<double> losses(parts.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&](std::size_t part) {
    const auto states =
        cached ? std::optional(slice(*cached, firsts[part], std::ssize(parts[part].examples))) : std::nullopt;
    losses[part] = run_part(config, backbone, plan, parts[part], totals, part_seed(seed, part, parts.size()), states,
                            logit_bytes, gradients, sums[part]);
  };
  // Parts that leave threads without one run one after another, each on all threads.
  const auto threads = static_cast<std::size_t>(at::get_num_threads());
  const std::size_t alone = parts.size() - parts.size() % threads;
  if (alone > 0) {
    at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
      for (std::size_t part = next++; part < alone; part = next++) work(part);
    });
  }
  for (std::size_t part = alone; part < parts.size(); ++part) work(part);
  gradients.finish(sums);
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace peftbench::train
