#pragma once

#include "eval/evaluator.h"
#include "eval/layer.h"

#include <cstdint>
#include <vector>

namespace peftbench::eval {

// The answers of several plans to the same examples, and their vote.
struct EnsembleEvaluation {
  std::vector<Evaluation> members;  // without a loss, which a vote does not need
  Evaluation votes;                 // the majority's answers; in a tie, that of the first member
  std::vector<double> entropy;      // of each example's votes, in bits
  double seconds = 0;               // of the forward passes and the vote
};

// The examples in each member's layout. `texts` are the same examples.
struct EnsembleQuestions {
  std::vector<const std::vector<EncodedExample>*> encoded;  // by member
  const std::vector<TextExample>& texts;
};

// All members in one forward pass per batch: `plan` is CompiledPlan::stack of theirs. At most `most_sequences`
// (examples × members) are in one batch, but an example and all its members always are. The answers of member m are
// read by evaluators[m], as it would be on its own; their task has the same label words in one order.
EnsembleEvaluation evaluate_ensemble(const std::vector<const Evaluator*>& evaluators, const CompiledPlan& plan,
                                     const EnsembleQuestions& questions, std::int64_t most_sequences,
                                     ProgressSink* progress = nullptr);

}  // namespace peftbench::eval
