#include "pretrain/prefix_lm.h"

#include <peftbench/error.h>

#include <string>

namespace peftbench::pretrain {

EncodedExample prefix_lm(std::span<const int64_t> ids, int64_t eos, Random& random) {
  if (ids.size() < 2) {
    throw Error(Problem{.what = "a piece of text is too short for a prefix and a continuation",
                        .found = std::to_string(ids.size()) + " tokens",
                        .expected = "two or more"});
  }
  const std::size_t split = 1 + random.below(ids.size() - 1);
  EncodedExample example;
  const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(split);
  example.input.assign(ids.begin(), middle);
  example.target.assign(middle, ids.end());
  example.input.push_back(eos);
  example.target.push_back(eos);
  return example;
}

}  // namespace peftbench::pretrain
