#pragma once

#include "core/random.h"
#include "fuzz/target.h"
#include "support/layers.h"

#include <string>
#include <string_view>
#include <vector>

namespace peftbench::hostile {

using namespace layers;

// Makes inputs of a target from its seeds. Everything follows from the seed of chance and the inputs that were added.
class Mutator {
 public:
  Mutator(const Target& target, std::vector<std::string> seeds);
  // From one of the inputs, by a few mutations one after another.
  std::string next(Random& random) const;
  void add(std::string input);  // that reached code which no input before it reached
  std::size_t inputs() const { return inputs_.size(); }

 private:
  std::string mutated(std::string bytes, Syntax syntax, Random& random) const;
  const Target& target_;
  std::vector<std::string> inputs_;  // seeds, then those that were added
  std::size_t seeds_ = 0;
  std::vector<std::string> words_;  // tokens of the seeds, for texts
};

inline constexpr std::size_t largest_input = 2u << 20;  // what takes 1 s a MB under the sanitizers is linear still

// Each changes the bytes in place.
void mutate_bytes(std::string& bytes, Random& random);
void mutate_text(std::string& text, Syntax syntax, const std::vector<std::string>& words, Random& random);

// The tokens of a text: quoted texts, numbers, words, single signs.
std::vector<std::string_view> tokens_of(std::string_view text);

}  // namespace peftbench::hostile
