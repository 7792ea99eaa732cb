#pragma once

#include "backbone/backbone.h"
#include "data/prepared/encode.h"
#include "eval/likelihood.h"
#include "text/tokenizer.h"
#include "train/config.h"
#include "train/layer.h"

#include <cstdint>
#include <string>
#include <vector>

namespace peftbench::train {

// The label words of a task as the decoder writes them, EOS at the end; empty for free text.
using Choices = std::vector<std::vector<std::int64_t>>;
// `before`: ids at the start of every target.
Choices encode_choices(const std::vector<std::string>& labels, const Tokenizer& tokenizer, std::int64_t eos_id,
                       const std::vector<std::int64_t>& before = {});

// The losses that Liu et al. 2022 (T-Few) add to that of the right answer ask for all choices of each example.
inline bool compares_choices(const TrainConfig& config) {
  return config.unlikelihood_weight > 0 || config.length_normalised_weight > 0;
}

// Throws ConfigError if the losses cannot be computed: no choices, a head that scores classes, replicas, an example
// among the first 100,000 whose target is none of the choices. The trainer checks the others as it meets them.
void check_choices(const CompiledPlan& plan, const Choices& choices, const ExampleList& examples);
void check_choice(const Choices& choices, const EncodedExample& example);

// Tokens of all choices but this one.
std::int64_t wrong_tokens(const Choices& choices, int label);

// `copies` consecutive sequences of each: the encoding of an example is used by all of its choices.
EncoderState repeat(const EncoderState& encoder, std::int64_t copies);

// What the decoder gives the choices of B examples, C of each.
struct ChoiceScores {
  Tensor log_likelihood;         // [B, C] Σ log p(token)
  Tensor unlikelihood;           // [B, C] Σ −log(1 − p(token) + 0.01); the 0.01 is T-Few's, against log 0
  Tensor log_normaliser_square;  // [B, C] Σ log²Z; undefined unless requested
};
// `labels` are decoder states of B·C sequences.
ChoiceScores score_choices(const Backbone& backbone, const DecoderState& labels, const Choices& choices,
                           const CompiledPlan& plan, const RunContext& context, bool normaliser);

// Sums over examples of −Σ log(1 − p) of the wrong choices, and of the cross-entropy of the right one among all by
// log-likelihood / tokens. `right` [B] int64.
Tensor unlikelihood_loss(const ChoiceScores& scores, const Tensor& right);
Tensor length_normalised_loss(const ChoiceScores& scores, const Tensor& right, const Choices& choices);

}  // namespace peftbench::train
