#include "data/prepared/example_list.h"

#include <algorithm>
#include <utility>

namespace peftbench::data {

ExampleList::~ExampleList() = default;

ExamplesInMemory::ExamplesInMemory(std::vector<EncodedExample> examples) : examples_(std::move(examples)) {}
std::size_t ExamplesInMemory::size() const { return examples_.size(); }
EncodedExample ExamplesInMemory::at(std::size_t index) const { return examples_.at(index); }

std::vector<EncodedExample> first_of(const ExampleList& list, std::size_t count) {
  std::vector<EncodedExample> result;
  result.reserve(std::min(count, list.size()));
  for (std::size_t i = 0; i < list.size() && i < count; ++i) result.push_back(list.at(i));
  return result;
}

}  // namespace peftbench::data
