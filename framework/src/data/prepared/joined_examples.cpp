#include "data/prepared/joined_examples.h"

#include <peftbench/error.h>

#include <algorithm>
#include <string>
#include <utility>

namespace peftbench::data {

JoinedExamples::JoinedExamples(std::vector<std::shared_ptr<const ExampleList>> lists) : lists_(std::move(lists)) {
  for (const auto& list : lists_) ends_.push_back(size() + list->size());
}

EncodedExample JoinedExamples::at(std::size_t index) const {
  if (index >= size()) throw Error("example " + std::to_string(index) + " of " + std::to_string(size()));
  const auto list = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin());
  return lists_[list]->at(index - (ends_[list] - lists_[list]->size()));
}

std::size_t JoinedExamples::index(std::size_t list, std::size_t place) const {
  return ends_.at(list) - lists_[list]->size() + place;
}

}  // namespace peftbench::data
