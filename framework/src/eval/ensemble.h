#pragma once

#include "eval/evaluator.h"

#include <cstdint>
#include <vector>

namespace peftbench {

// Several plans asked the same questions, and what they answer together.
struct EnsembleEvaluation {
  std::vector<Evaluation> members;  // without a loss: answers are all that a vote needs
  Evaluation votes;                 // the majority's; of equal votes the member that comes first
  std::vector<double> entropy;      // of each example's votes, in bits
  double seconds = 0;               // of the forward passes and the vote
};

// What there is to ask, as each member lays it out. `texts` are the same examples.
struct EnsembleQuestions {
  std::vector<const std::vector<EncodedExample>*> encoded;  // by member
  const std::vector<TextExample>& texts;
};

// All members in one forward pass per batch: `plan` is CompiledPlan::stack of theirs. At most `most_sequences`
// (examples × members) are in one batch, but an example and all its members always are. What member m says is read by
// evaluators[m], as it would be on its own; their task has the same label words in one order.
EnsembleEvaluation evaluate_ensemble(const std::vector<const Evaluator*>& evaluators, const CompiledPlan& plan,
                                     const EnsembleQuestions& questions, std::int64_t most_sequences,
                                     ProgressSink* progress = nullptr);

}  // namespace peftbench
