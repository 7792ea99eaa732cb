#pragma once

#include "eval/layer.h"

#include <string>
#include <string_view>
#include <vector>

namespace peftbench::eval {

// As Python's str.lower.
std::string lower_case(std::string_view text);
// The words between white space of any script, as Python's str.split.
std::vector<std::string_view> words_of(std::string_view text);

// SQuAD 1.1's normalisation: lower case, without ASCII punctuation, without the words a, an and the, one space between
// words: "The  Cat's!" → "cats".
std::string normalize_squad(std::string_view text);
// Of two normalised texts: harmonic mean of precision and recall of their words, repeats counted; 0 where none is
// common to both, so for two empty texts too.
double word_f1(std::string_view answer, std::string_view reference);

// T5's rule for Winograd schemas. 1: the answer names the referent, 0: it does not, −1: it names nothing. Determiners
// and case are of no account; of "Bob's hat" and "Bob" only one has an apostrophe, which is no match; else the words of
// one must all be among the other's.
int names_referent(std::string_view answer, std::string_view referent);

}  // namespace peftbench::eval
