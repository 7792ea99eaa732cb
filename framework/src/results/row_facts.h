#pragma once

#include "results/comparison.h"
#include "results/layer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace peftbench::results {

// Items of a list, each once, in their order.
class Once {
 public:
  explicit Once(std::vector<std::string>& items) : items_(items), known_(items.begin(), items.end()) {}
  void add(const std::string& item) {
    if (known_.insert(item).second) items_.push_back(item);
  }

 private:
  std::vector<std::string>& items_;
  std::unordered_set<std::string> known_;
};

// The range with this value in it.
std::optional<Range> widened(const std::optional<Range>& range, std::int64_t value);

// All that a row says of its finished runs.
void fill_in(ComparisonRow& row, const std::vector<const RunRecord*>& finished);

}  // namespace peftbench::results
