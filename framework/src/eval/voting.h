#pragma once

#include "eval/layer.h"

#include <string>
#include <vector>

namespace peftbench::eval {

// What a model says to one sequence: a text, and its place among the task's label words (−1: none of them).
struct Answer {
  std::string text;
  int label = -1;
};

// The winner in a tie.
enum class Tie {
  lowest_label,  // of the task
  first_voter,   // the label that the first of those voters gave
};

// The answer with the most weight. Among label words, illegal answers have no vote unless all are illegal; then, as for
// free text, equal texts are counted together, and the first text wins in a tie.
Answer majority_vote(const std::vector<Answer>& answers, const std::vector<double>& weights,
                     const std::vector<std::string>& label_words, Tie tie);

// Entropy of the members' answers in bits: 0 if all agree, log₂ n if all n differ. Every answer counts; those
// without a label are distinguished by their texts.
double vote_entropy(const std::vector<Answer>& answers);

}  // namespace peftbench::eval
