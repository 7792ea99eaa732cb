#include "fuzz/mutator.h"
#include "support/layers.h"

#include <algorithm>

namespace peftbench::hostile {

using namespace layers;

Mutator::Mutator(const Target& target, std::vector<std::string> seeds) : target_(target), inputs_(std::move(seeds)) {
  if (inputs_.empty()) inputs_.emplace_back();
  seeds_ = inputs_.size();
  for (const std::string& input : inputs_) {
    const std::string inside = target.envelope ? target.envelope->open(input) : std::string();
    for (const std::string_view token : tokens_of(inside.empty() ? input : inside))
      if (token.size() < 200 && words_.size() < 4000) words_.emplace_back(token);
  }
  std::sort(words_.begin(), words_.end());
  words_.erase(std::unique(words_.begin(), words_.end()), words_.end());
}

void Mutator::add(std::string input) {
  constexpr std::size_t most = 600, longest = 32768;
  if (input.size() <= longest && inputs_.size() < most) inputs_.push_back(std::move(input));
}

std::string Mutator::mutated(std::string bytes, Syntax syntax, Random& random) const {
  // Mostly one or two, so that what is not touched stays right.
  const std::uint64_t times = 1 + random.below(random.below(2) ? 2 : 6);
  for (std::uint64_t i = 0; i < times && bytes.size() < largest_input; ++i) {
    if (syntax != Syntax::bytes && random.below(4) != 0)
      mutate_text(bytes, syntax, words_, random);
    else
      mutate_bytes(bytes, random);
  }
  if (bytes.size() > 2 * largest_input) bytes.resize(2 * largest_input);
  return bytes;
}

std::string Mutator::next(Random& random) const {
  // Half of them from a seed: most inputs that reach something new are refused for it, and so are their mutants.
  const std::string& input = inputs_[random.below(random.below(2) ? seeds_ : inputs_.size())];
  if (random.below(10) == 0) {  // the front of one and the end of another
    const std::string& other = inputs_[random.below(inputs_.size())];
    return input.substr(0, random.below(input.size() + 1)) + other.substr(random.below(other.size() + 1));
  }
  if (target_.envelope && random.below(4) != 0) {
    const std::string inside = target_.envelope->open(input);
    if (!inside.empty()) return target_.envelope->close(input, mutated(inside, target_.envelope->inside, random));
  }
  return mutated(input, target_.syntax, random);
}

}  // namespace peftbench::hostile
