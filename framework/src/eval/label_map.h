#pragma once

#include <string>
#include <utility>
#include <vector>

namespace peftbench {

// Turns what a model learnt to answer on one task into answers of another, part by part as strings: with
// duplicate → equivalent, "not_duplicate" becomes "not_equivalent" (Lester et al. 2021, §5).
class LabelMap {
 public:
  LabelMap() = default;
  // Each "from:to". Throws ConfigError where one is not, or a `from` stands twice.
  explicit LabelMap(const std::vector<std::string>& pairs);

  bool empty() const { return pairs_.empty(); }
  // From left to right; of parts that begin at one place the longest is replaced. What was put in is not looked at
  // again, so two words can change places.
  std::string apply(const std::string& text) const;

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;  // longest first
};

// What is known of the answers where a method is scored on another task than it was trained on.
struct Transfer {
  LabelMap map;
  std::vector<std::string> labels;  // of the task that was trained on; empty: free text, or the task is the same
};

}  // namespace peftbench
