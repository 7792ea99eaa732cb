#include "train/choice_losses.h"

#include <peftbench/error.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/tensor.h>

#include <utility>

namespace peftbench::train {

namespace {

// T-Few's: a wrong token that the model is sure of costs 4.6, not infinity.
constexpr double least_unlikelihood = 1e-2;

[[noreturn]] void refuse(const std::string& found, const std::string& remedy) {
  throw ConfigError({"the losses over label words cannot be computed", found,
                     "a task with label words, and a method whose decoder writes them",
                     remedy + ", or set train.unlikelihood_weight and train.length_normalised_weight to 0"});
}

// 1 at the right choice of each example.
Tensor right_ones(const Tensor& scores, const Tensor& right) {
  return scores.detach().new_zeros(scores.sizes()).scatter(1, right.unsqueeze(1), 1.0);
}

}  // namespace

Choices encode_choices(const std::vector<std::string>& labels, const Tokenizer& tokenizer, std::int64_t eos_id,
                       const std::vector<std::int64_t>& before) {
  Choices choices;
  for (const std::string& label : labels) {
    choices.push_back(before);
    for (const std::int64_t id : tokenizer.encode(label)) choices.back().push_back(id);
    choices.back().push_back(eos_id);
  }
  return choices;
}

void check_choices(const CompiledPlan& plan, const Choices& choices, const ExampleList& examples) {
  if (choices.size() < 2) {
    refuse(choices.empty() ? "a task with free-text targets" : "a task with one label word",
           "use a task with label words");
  }
  if (scores_classes(plan)) refuse("a method whose head scores classes", "use a method that generates text");
  if (replicas_of(plan) > 1) refuse("a method with replicas", "use a method without replicas");
  constexpr std::size_t most = 100'000;  // reading all of a large file first would take minutes
  for (std::size_t i = 0; i < std::min(examples.size(), most); ++i) check_choice(choices, examples[i]);
}

void check_choice(const Choices& choices, const EncodedExample& example) {
  const bool known = example.label >= 0 && static_cast<std::size_t>(example.label) < choices.size();
  if (!known || example.target != choices[static_cast<std::size_t>(example.label)])
    refuse("an example whose target is not its label word, or is truncated", "raise task.max_target_tokens");
}

std::int64_t wrong_tokens(const Choices& choices, int label) {
  std::int64_t total = 0;
  for (std::size_t c = 0; c < choices.size(); ++c)
    if (static_cast<int>(c) != label) total += static_cast<std::int64_t>(choices[c].size());
  return total;
}

EncoderState repeat(const EncoderState& encoder, std::int64_t copies) {
  std::vector<Tensor> parts;
  std::vector<std::int64_t> lengths, groups;
  const std::vector<Tensor> sequences = encoder.hidden.split_with_sizes(encoder.layout.lengths);
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    for (std::int64_t copy = 0; copy < copies; ++copy) {
      parts.push_back(sequences[s]);
      lengths.push_back(encoder.layout.lengths[s]);
      groups.push_back(encoder.layout.groups[s]);
    }
  }
  return {at::cat(parts), TokenLayout::of(std::move(lengths), std::move(groups)).to(encoder.layout.device)};
}

ChoiceScores score_choices(const Backbone& backbone, const DecoderState& labels, const Choices& choices,
                           const CompiledPlan& plan, const RunContext& context, bool normaliser) {
  const auto count = static_cast<std::int64_t>(choices.size());
  std::vector<std::vector<std::int64_t>> targets;
  for (std::int64_t s = 0; s < labels.layout.sequences(); ++s)
    targets.push_back(choices[static_cast<std::size_t>(s % count)]);
  const TokenScores tokens = score_tokens(backbone, labels, targets, plan, context);
  ChoiceScores scores;
  scores.log_likelihood = tokens.of_sequences(tokens.log_p).view({-1, count});
  scores.unlikelihood = tokens.of_sequences(-(1.0 + least_unlikelihood - tokens.log_p.exp()).log()).view({-1, count});
  if (normaliser)
    scores.log_normaliser_square = tokens.of_sequences(at::logsumexp(tokens.logits, {-1}).square()).view({-1, count});
  return scores;
}

Tensor unlikelihood_loss(const ChoiceScores& scores, const Tensor& right) {
  return (scores.unlikelihood * (1.0 - right_ones(scores.unlikelihood, right))).sum();
}

Tensor length_normalised_loss(const ChoiceScores& scores, const Tensor& right, const Choices& choices) {
  std::vector<float> lengths;
  for (const auto& choice : choices) lengths.push_back(static_cast<float>(choice.size()));
  const Tensor normalised = scores.log_likelihood / at::tensor(lengths).to(scores.log_likelihood.device());
  return at::cross_entropy_loss(normalised, right, {}, at::Reduction::Sum);
}

}  // namespace peftbench::train
