#pragma once

#include "eval/layer.h"

#include <string>
#include <utility>
#include <vector>

namespace peftbench::eval {

// Maps answers of the training task to answers of another task by replacing parts of strings: with
// duplicate → equivalent, "not_duplicate" becomes "not_equivalent" (Lester et al. 2021, §5).
class LabelMap {
 public:
  LabelMap() = default;
  // Each "from:to". Throws ConfigError if one is not, or a `from` stands twice.
  explicit LabelMap(const std::vector<std::string>& pairs);

  bool empty() const { return pairs_.empty(); }
  // From left to right; of parts that begin at one place the longest is replaced. What was put in is not looked at
  // again, so two words can change places.
  std::string apply(const std::string& text) const;

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;  // longest first
};

// The answers of the training task, if a method is evaluated on another task.
struct Transfer {
  LabelMap map;
  std::vector<std::string> labels;  // of the task that was trained on; empty: free text, or the task is the same
};

}  // namespace peftbench::eval
